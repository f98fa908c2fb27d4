package io.quern.cuda.driver;

import io.quern.cuda.driver.GraphApi.GraphException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A sequence of launches that has come before, and the graph of it once it has come twice. */
final class LaunchGraph {
    private final long[] identities;
    private final Cublas.Call[] products;
    private final Node[] nodes;
    private Arena memory;
    private long graph;
    private long exec;

    /** A launch as the graph has it: what it was last started with. */
    private static final class Node {
        private final long id;
        private final MemorySegment values;
        private final MemorySegment slots;
        private int x;
        private int y;
        private int z;
        private int threads;
        private int shared;

        Node(long id, MemorySegment values, MemorySegment slots) {
            this.id = id;
            this.values = values;
            this.slots = slots;
        }

        boolean isAsIn(LaunchCell c) {
            return x == c.x
                    && y == c.y
                    && z == c.z
                    && threads == c.threads
                    && shared == c.shared
                    && MemorySegment.mismatch(values, 0, c.bytes, c.values, 0, c.bytes) < 0;
        }

        void take(LaunchCell c) {
            x = c.x;
            y = c.y;
            z = c.z;
            threads = c.threads;
            shared = c.shared;
            MemorySegment.copy(c.values, 0, values, 0, c.bytes);
        }
    }

    LaunchGraph(LaunchCell[] cells, int n) {
        identities = new long[n];
        products = new Cublas.Call[n];
        nodes = new Node[n];
        for (int i = 0; i < n; i++) {
            identities[i] = cells[i].identity();
            products[i] = cells[i].product;
        }
    }

    /** Whether these are the same kernels and products. */
    boolean isOf(LaunchCell[] cells, int n) {
        if (n != identities.length) {
            return false;
        }
        for (int i = 0; i < n; i++) {
            boolean same = products[i] == null
                    ? cells[i].product == null && identities[i] == cells[i].identity()
                    : products[i].equals(cells[i].product);
            if (!same) {
                return false;
            }
        }
        return true;
    }

    boolean isBuilt() {
        return exec != 0;
    }

    long exec() {
        return exec;
    }

    /** Makes the graph, a chain in the order of the launches, which ran alone before, so that all they need is loaded. */
    void build(GraphApi api, CudaDevice device, LaunchCell[] cells) throws GraphException {
        memory = Arena.ofShared();
        boolean done = false;
        try {
            graph = api.create();
            long last = 0;
            for (int i = 0; i < identities.length; i++) {
                last = cells[i].isProduct() ? product(api, device, last, cells[i]) : kernel(api, last, i, cells[i]);
            }
            exec = api.instantiate(graph);
            done = true;
        } finally {
            if (!done) {
                close(api);
            }
        }
    }

    private long kernel(GraphApi api, long after, int i, LaunchCell cell) throws GraphException {
        MemorySegment values = memory.allocate(Math.max(8, cell.bytes), 16);
        MemorySegment slots = memory.allocate(Math.max(8, 8L * cell.slotCount), 8);
        for (int s = 0; s < cell.slotCount; s++) {
            slots.setAtIndex(ValueLayout.JAVA_LONG, s, values.address() + cell.slot(s));
        }
        MemorySegment.copy(cell.values, 0, values, 0, cell.bytes);
        Node node = new Node(api.addKernel(graph, after, identities[i], cell, slots.address()), values, slots);
        node.take(cell);
        nodes[i] = node;
        return node.id;
    }

    /** cuBLAS chooses its kernels by itself; so what it starts is captured. */
    private long product(GraphApi api, CudaDevice device, long after, LaunchCell cell) throws GraphException {
        long stream = RawPointer.handle(device.stream());
        api.beginCapture(stream);
        long child = 0;
        try {
            cell.start(device);
        } finally {
            child = api.endCapture(stream);
        }
        try {
            return api.addChild(graph, after, child);
        } finally {
            api.destroyGraph(child);
        }
    }

    /** Writes what has changed into the nodes; how many those were. */
    int update(GraphApi api, LaunchCell[] cells) throws GraphException {
        int changed = 0;
        for (int i = 0; i < nodes.length; i++) {
            Node node = nodes[i];
            if (node != null && !node.isAsIn(cells[i])) {
                node.take(cells[i]);
                api.setKernel(exec, node.id, identities[i], cells[i], node.slots.address());
                changed++;
            }
        }
        return changed;
    }

    void close(GraphApi api) {
        if (exec != 0) {
            api.destroyExec(exec);
        }
        if (graph != 0) {
            api.destroyGraph(graph);
        }
        if (memory != null) {
            memory.close();
        }
        exec = 0;
        graph = 0;
        memory = null;
    }
}
