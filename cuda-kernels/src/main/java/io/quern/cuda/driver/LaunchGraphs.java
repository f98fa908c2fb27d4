package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.lang.foreign.SymbolLookup;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Starts launches together, as CUDA graphs. Launches gather until something waits for them or {@value #LONGEST} are there. A
 * sequence of kernels that comes a second time becomes a graph, which is started as a whole from then on: starting a kernel
 * costs the host a few microseconds, as much as many kernels of a decoding step take. What has changed since, such as the
 * position in the cache, the stream of random numbers, the learning rate, is written into the graph's nodes before. So results
 * are those of single launches, whatever the program does between steps: a sequence that is new runs as single launches.
 *
 * <p>Products by cuBLAS cannot be changed in a graph; they count as the same only with the same operands, which the pool's
 * lowest-address-first order gives them from step to step.
 *
 * <p>The caller holds the monitor of the device. Everything that the stream would order against launches, such as copies and
 * freeing, must {@link #flush()} first.
 */
final class LaunchGraphs {
    /** Enough to make one call cheap, few enough that the card works while more gather. */
    private static final int LONGEST = 64;

    private static final int SHORTEST = 4;

    /** Kept at a time; the one not used for longest goes. */
    private static final int MOST = 512;

    private final CudaDevice device;
    private final LaunchCell[] cells = new LaunchCell[LONGEST];
    private final Map<Long, LaunchGraph> known = new LinkedHashMap<>(16, 0.75f, true);
    private final boolean synchronous = Boolean.getBoolean("quern.cuda.sync");
    private Consumer<String> watcher;
    private GraphApi api;
    private String off;
    private int count;
    private long hash;

    private long launches;
    private long inGraphs;
    private long graphLaunches;
    private long changes;

    LaunchGraphs(CudaDevice device, SymbolLookup driver) {
        this.device = device;
        for (int i = 0; i < LONGEST; i++) {
            cells[i] = new LaunchCell();
        }
        if (synchronous) {
            off = "quern.cuda.sync waits after every kernel";
        } else if ("off".equals(System.getProperty("quern.cuda.graphs"))) {
            off = "quern.cuda.graphs=off";
        } else {
            try {
                api = new GraphApi(driver);
            } catch (GraphApi.GraphException e) {
                off = e.getMessage();
            }
        }
    }

    /** Whether every kernel is waited for. */
    boolean isSynchronous() {
        return synchronous;
    }

    /** On, or why not. */
    String state() {
        return off == null ? "on" : "off: " + off;
    }

    /** Such as {@code on, 12 graphs, 340 of 400 launches in them}, or why there are none. */
    String describe() {
        return state()
                + (launches == 0
                        ? ""
                        : ", " + inGraphs + " of " + launches + " launches in " + graphLaunches + " graphs")
                + (changes == 0 ? "" : ", " + changes + " with changed parameters");
    }

    /** Launches that went as parts of graphs so far. */
    long inGraphs() {
        return inGraphs;
    }

    /** Tells what is started from now on; null ends it. */
    void watch(Consumer<String> started) {
        watcher = started;
    }

    void tell(String started) {
        if (watcher != null) {
            watcher.accept(started);
        }
    }

    /** The cell that the next launch is written into. */
    LaunchCell next() {
        return cells[count];
    }

    /** What is in the cell {@link #next()} is complete. */
    void add() {
        LaunchCell cell = cells[count];
        tell(cell.isProduct() ? "cublas" : cell.name);
        if (off != null) {
            device.enter();
            launches++;
            cell.start(device);
            if (synchronous) {
                device.await(cell.describe());
            }
            return;
        }
        hash = hash * 0x9E3779B97F4A7C15L + cell.identity();
        if (++count == LONGEST) {
            flush();
        }
    }

    /** Starts what has gathered. */
    void flush() {
        int n = count;
        if (n == 0) {
            return;
        }
        long h = hash * 0x9E3779B97F4A7C15L + n;
        count = 0;
        hash = 0;
        launches += n;
        device.enter();
        if (n < SHORTEST || off != null) {
            single(n);
            return;
        }
        LaunchGraph graph = known.get(h);
        if (graph == null) {
            remember(h, new LaunchGraph(cells, n));
            single(n);
        } else if (!graph.isOf(cells, n)) {
            single(n);
        } else {
            start(graph, n);
        }
    }

    private void start(LaunchGraph graph, int n) {
        try {
            if (!graph.isBuilt()) {
                graph.build(api, device, cells);
            }
            changes += graph.update(api, cells);
        } catch (GraphApi.GraphException e) {
            off = e.getMessage();
            forget();
            single(n);
            return;
        }
        inGraphs += n;
        graphLaunches++;
        int result = api.launch(graph.exec(), RawPointer.handle(device.stream()));
        if (result != 0) {
            device.check(
                    result,
                    "a graph of " + n + " launches, from " + cells[0].describe() + " to " + cells[n - 1].describe());
        }
    }

    private void single(int n) {
        for (int i = 0; i < n; i++) {
            cells[i].start(device);
        }
    }

    private void remember(long h, LaunchGraph graph) {
        known.put(h, graph);
        if (known.size() > MOST) {
            Map.Entry<Long, LaunchGraph> eldest = known.entrySet().iterator().next();
            if (eldest.getValue().isBuilt()) {
                device.await("giving up a graph");
            }
            eldest.getValue().close(api);
            known.remove(eldest.getKey());
        }
    }

    private void forget() {
        device.await("giving up graphs");
        known.values().forEach(g -> g.close(api));
        known.clear();
    }

    /** Switches graphs on or off while the program runs, for comparisons. */
    void enable(boolean on) {
        flush();
        if (on && api == null) {
            throw new TensorException("CUDA graphs cannot be switched on: " + off);
        }
        off = on ? null : "switched off";
    }
}
