package io.quern.transformer.hub;

import io.quern.nn.Init;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.tensor.file.Weights;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.ModelConfig;
import io.quern.transformer.WeightNames;
import io.quern.transformer.WeightNames.Role;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;

/**
 * Fills a model from weight files. The whole file is checked against the configuration first, without reading a weight, so
 * that nothing is half loaded and one message names all that does not fit.
 */
final class WeightLoader<M extends Module> {
    private static final int LISTED = 10;

    private final String what;
    private final Function<Init, M> build;
    private final WeightSource source;
    private final WeightNames names;

    /** The tensor of the file for each parameter. */
    private final Map<String, String> found = new LinkedHashMap<>();

    private final List<String> problems = new ArrayList<>();

    private WeightLoader(String what, WeightNames names, Function<Init, M> build, WeightSource source) {
        this.what = what;
        this.names = names;
        this.build = build;
        this.source = source;
    }

    /**
     * Builds a model from {@code source}, which is closed when the model no longer needs it.
     *
     * @param what names the weights, for messages
     * @param names of the tensors in checkpoints
     * @param build makes the model from the first values of its parameters
     * @param matrices dtype of matrices, or null for that of the file
     */
    static <M extends Module> M load(
            String what,
            WeightNames names,
            Function<Init, M> build,
            WeightSource source,
            Purpose purpose,
            DType matrices) {
        Hold hold = new Hold(source);
        try {
            WeightTypes.check(purpose, matrices);
            WeightLoader<M> loader = new WeightLoader<>(what, names, build, source);
            loader.check();
            return loader.fill(purpose, matrices, hold);
        } finally {
            hold.release();
        }
    }

    /** Closes the source with the last of its users. */
    private static final class Hold {
        private final WeightSource source;
        private final AtomicInteger users = new AtomicInteger(1);

        Hold(WeightSource source) {
            this.source = source;
        }

        void retain() {
            users.incrementAndGet();
        }

        void release() {
            if (users.decrementAndGet() == 0) {
                source.close();
            }
        }
    }

    private void check() {
        // A model of stand-ins, one number each, tells which parameters of which shapes there are.
        build.apply((path, shape) -> {
                    match(path, shape);
                    return Tensor.zeros(1).expand(shape);
                })
                .close();
        rejectOthers();
        if (!problems.isEmpty()) {
            String listed = String.join("; ", problems.subList(0, Math.min(LISTED, problems.size())));
            throw new TensorException(what + " does not fit its config.json in " + problems.size()
                    + (problems.size() == 1 ? " tensor: " : " tensors: ") + listed
                    + (problems.size() > LISTED ? "; and " + (problems.size() - LISTED) + " more" : ""));
        }
    }

    private void match(String path, Shape shape) {
        String name = nameOf(path);
        if (name == null) {
            problems.add("missing " + path + " " + shape);
            return;
        }
        WeightEntry e = source.get(name);
        found.put(path, name);
        if (!e.shape().equals(shape)) {
            problems.add(name + " is " + e.shape() + ", expected " + shape);
        } else if (!Weights.isReal(e)) {
            problems.add(name + " is stored as " + e.type() + ", expected F32, BF16, F16, F64 or a quantised type");
        }
    }

    private String nameOf(String path) {
        return names.candidates(path).stream()
                .filter(source::contains)
                .findFirst()
                .orElse(null);
    }

    private void rejectOthers() {
        Set<String> known = new HashSet<>(found.values());
        for (String name : source.names()) {
            if (known.contains(name)
                    || names.ignored().matcher(names.bare(name)).matches()) {
                continue;
            }
            String original = names.copies().get(name);
            if (original == null) {
                problems.add("unexpected " + name + " " + source.get(name).shape());
            } else if (found.containsKey(original) && !equal(source.get(name), source.get(found.get(original)))) {
                problems.add(name + " differs from " + found.get(original) + ", to which the configuration ties it");
            }
        }
    }

    private static boolean equal(WeightEntry a, WeightEntry b) {
        return a.type() == b.type() && a.shape().equals(b.shape()) && a.data().mismatch(b.data()) < 0;
    }

    private M fill(Purpose purpose, DType matrices, Hold hold) {
        List<Tensor> made = new ArrayList<>();
        try {
            M model = build.apply((path, shape) -> {
                WeightEntry e = source.get(found.get(path));
                Role role = names.role(path);
                boolean blocked = role != Role.OTHER && (role == Role.CONV1D) == e.transposed();
                DType dtype = purpose == Purpose.TRAINING
                        ? DType.F32
                        : WeightTypes.of(matrices, role, shape, e.type().dtype(), blocked);
                Tensor t = tensor(e, role, dtype, blocked, purpose, hold);
                made.add(t);
                return t;
            });
            for (Param p : model.parameters().values()) {
                p.setTrainable(purpose == Purpose.TRAINING);
            }
            // The stored forms of converted tensors.
            Device.CPU.backend().trim();
            return model;
        } catch (RuntimeException | Error e) {
            made.forEach(Tensor::close);
            throw e;
        }
    }

    /**
     * Builds a model of the values of {@code init}, for inference.
     *
     * @param matrices as for {@link ModelDir#load(Purpose, DType)}; null for F32
     */
    static CausalLanguageModel build(ModelConfig config, Init init, DType matrices) {
        WeightNames names = config.weightNames();
        return config.build((path, shape) -> {
            Role role = names.role(path);
            DType dtype = WeightTypes.of(matrices, role, shape, DType.F32, false);
            Tensor wide = init.make(path, shape);
            if (dtype == DType.F32) {
                return wide;
            }
            try (wide) {
                return dtype.isQuantized() ? quantized(wide, role, dtype) : wide.cast(dtype);
            }
        });
    }

    /** Blocks along the input dimension, which of a Conv1D is the first: a transposed view of them then. */
    private static Tensor quantized(Tensor wide, Role role, DType dtype) {
        if (role != Role.CONV1D) {
            return wide.cast(dtype);
        }
        try (Tensor turned = wide.transpose(0, 1).copy()) { // [out, in]
            return turned.cast(dtype).transpose(0, 1);
        }
    }

    private static Tensor tensor(WeightEntry e, Role role, DType dtype, boolean blocked, Purpose purpose, Hold hold) {
        if (purpose == Purpose.INFERENCE && Weights.isMappable(e, dtype)) {
            hold.retain();
            return Weights.map(e, hold::release);
        }
        if (dtype.isQuantized() && !blocked) {
            try (Tensor wide = Weights.copy(e, DType.F32)) {
                return quantized(wide, role, dtype);
            }
        }
        Tensor t = Weights.copy(e, dtype);
        if (purpose == Purpose.TRAINING && !t.isPacked()) {
            try (t) {
                return t.copy();
            }
        }
        return t;
    }
}
