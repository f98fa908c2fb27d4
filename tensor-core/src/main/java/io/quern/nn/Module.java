package io.quern.nn;

import io.quern.tensor.Device;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A layer or model: a tree with named parameters. A subclass registers its parameters and children in its constructor,
 * under the names that checkpoints use, and has a forward method of whatever form suits it. The root owns the memory:
 * closing it frees every parameter.
 */
public abstract class Module implements AutoCloseable {
    private final Map<String, Param> params = new LinkedHashMap<>();
    private final Map<String, Module> children = new LinkedHashMap<>();

    /** Registers a parameter; its tensor is taken out of its scope and becomes a leaf. */
    protected final Param param(String name, io.quern.tensor.Tensor value) {
        Param p = new Param(name, value);
        if (params.put(name, p) != null) {
            throw new IllegalArgumentException("parameter " + name + " is registered twice");
        }
        return p;
    }

    /** Registers a child. */
    protected final <M extends Module> M child(String name, M module) {
        if (children.put(name, module) != null) {
            throw new IllegalArgumentException("module " + name + " is registered twice");
        }
        return module;
    }

    /** All parameters of the tree by path, in the order of registration, depth first. */
    public final Map<String, Param> parameters() {
        Map<String, Param> all = new LinkedHashMap<>();
        collect("", all);
        return all;
    }

    private void collect(String prefix, Map<String, Param> all) {
        params.forEach((name, p) -> all.put(prefix + name, p));
        children.forEach((name, m) -> m.collect(prefix + name + ".", all));
    }

    /** All modules of the tree below this one by path, in the order of registration, parents first. */
    public final Map<String, Module> modules() {
        Map<String, Module> all = new LinkedHashMap<>();
        collectModules("", all);
        return all;
    }

    private void collectModules(String prefix, Map<String, Module> all) {
        children.forEach((name, m) -> {
            all.put(prefix + name, m);
            m.collectModules(prefix + name + ".", all);
        });
    }

    /** Frees a parameter of this module itself, which no longer has it. */
    final void removeParam(String name) {
        params.remove(name).close();
    }

    /** Gives every parameter its path as its name, for errors and reports; a root does so once it is built. */
    protected final void nameParameters() {
        parameters().forEach((path, p) -> p.rename(path));
    }

    /** Number of parameters, tied ones counted once. */
    public final long parameterCount() {
        return parameters().values().stream().mapToLong(p -> p.shape().size()).sum();
    }

    /** Moves every parameter to a device. */
    public final void moveTo(Device device) {
        parameters().values().forEach(p -> p.moveTo(device));
    }

    @Override
    public void close() {
        parameters().values().forEach(Param::close);
    }
}
