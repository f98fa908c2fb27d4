package io.quern.tensor;

import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Where a tensor lives: {@code cpu}, or another kind that a backend on the class path provides, with an index.
 *
 * @param kind such as {@code cpu} or {@code cuda}
 * @param index counts devices of a kind from 0
 */
public record Device(String kind, int index) {
    /** The processor that the JVM runs on. */
    public static final Device CPU = new Device("cpu", 0);

    private static final Map<Device, Backend> OPEN = new ConcurrentHashMap<>();

    /** Reads {@code cpu}, {@code cuda} or {@code cuda:1}. */
    public static Device parse(String text) {
        int colon = text.indexOf(':');
        String kind = colon < 0 ? text : text.substring(0, colon);
        try {
            int index = colon < 0 ? 0 : Integer.parseInt(text.substring(colon + 1));
            if (!kind.isEmpty() && index >= 0) {
                return new Device(kind, index);
            }
        } catch (NumberFormatException e) {
            // falls through to the error below, which names the whole text
        }
        throw new TensorException("device '" + text + "' is not of the form cpu, cuda or cuda:1");
    }

    /**
     * The backend of this device, opened at first use.
     *
     * @throws TensorException if no backend on the class path provides it, or if it cannot be used, with the cause
     */
    public Backend backend() {
        Backend open = OPEN.get(this);
        return open != null ? open : OPEN.computeIfAbsent(this, Device::open);
    }

    private static Backend open(Device device) {
        Map<String, BackendProvider> found = new TreeMap<>();
        for (BackendProvider p : ServiceLoader.load(BackendProvider.class, Device.class.getClassLoader())) {
            found.put(p.kind(), p);
        }
        BackendProvider provider = found.get(device.kind);
        if (provider == null) {
            throw new TensorException("no backend provides device '" + device + "'; on the class path: "
                    + String.join(", ", found.keySet()));
        }
        return provider.open(device.index);
    }

    @Override
    public String toString() {
        return index == 0 ? kind : kind + ":" + index;
    }
}
