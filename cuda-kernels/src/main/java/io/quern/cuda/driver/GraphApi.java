package io.quern.cuda.driver;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The driver's functions for graphs, called without JCuda: its parameter objects cost more than the calls, and it passes the
 * parameters of kernels in a structure that CUDA 12 has extended. Pointers are numbers here. Not thread-safe.
 */
final class GraphApi {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    /** CU_STREAM_CAPTURE_MODE_RELAXED: what other threads do meanwhile does not matter. */
    private static final int RELAXED = 2;

    /** CUDA_KERNEL_NODE_PARAMS of CUDA 12; that of CUDA 11 is its beginning. */
    private static final int KERNEL_PARAMS = 72;

    private final MethodHandle create;
    private final MethodHandle addKernel;
    private final MethodHandle addChild;
    private final MethodHandle instantiate;
    private final MethodHandle setKernel;
    private final MethodHandle launch;
    private final MethodHandle destroyExec;
    private final MethodHandle destroyGraph;
    private final MethodHandle beginCapture;
    private final MethodHandle endCapture;
    private final MemorySegment result = Arena.global().allocate(8, 8);
    private final MemorySegment dependency = Arena.global().allocate(8, 8);
    private final MemorySegment kernel = Arena.global().allocate(KERNEL_PARAMS, 8);

    /** A call that the driver refused, or a function that it lacks; the caller goes on without graphs. */
    static final class GraphException extends Exception {
        GraphException(String message) {
            super(message);
        }
    }

    /** @param driver the library that was loaded */
    GraphApi(SymbolLookup driver) throws GraphException {
        create = bind(driver, new MemoryLayout[] {LONG, INT}, "cuGraphCreate");
        MemoryLayout[] add = {LONG, LONG, LONG, LONG, LONG};
        addKernel = bind(driver, add, "cuGraphAddKernelNode_v2", "cuGraphAddKernelNode");
        addChild = bind(driver, add, "cuGraphAddChildGraphNode");
        MemoryLayout[] three = {LONG, LONG, LONG};
        instantiate = bind(driver, three, "cuGraphInstantiateWithFlags");
        setKernel = bind(driver, three, "cuGraphExecKernelNodeSetParams_v2", "cuGraphExecKernelNodeSetParams");
        MemoryLayout[] two = {LONG, LONG};
        launch = bind(driver, two, "cuGraphLaunch");
        destroyExec = bind(driver, new MemoryLayout[] {LONG}, "cuGraphExecDestroy");
        destroyGraph = bind(driver, new MemoryLayout[] {LONG}, "cuGraphDestroy");
        beginCapture = bind(driver, new MemoryLayout[] {LONG, INT}, "cuStreamBeginCapture_v2");
        endCapture = bind(driver, two, "cuStreamEndCapture");
    }

    private static MethodHandle bind(SymbolLookup driver, MemoryLayout[] parameters, String... names)
            throws GraphException {
        for (String name : names) {
            MemorySegment symbol = driver.find(name).orElse(null);
            if (symbol != null) {
                return Linker.nativeLinker().downcallHandle(symbol, FunctionDescriptor.of(INT, parameters));
            }
        }
        throw new GraphException("the driver has no " + names[names.length - 1] + "; one for CUDA 11.4 or newer has");
    }

    private interface Call {
        int run() throws Throwable;
    }

    private static void check(String name, Call call) throws GraphException {
        int status;
        try {
            status = call.run();
        } catch (Throwable e) {
            throw new AssertionError("a call of the driver throws nothing", e);
        }
        if (status != 0) {
            throw new GraphException(name + " answers " + Errors.name(status));
        }
    }

    long create() throws GraphException {
        check("cuGraphCreate", () -> (int) create.invokeExact(result.address(), 0));
        return result.get(LONG, 0);
    }

    /**
     * A launch that follows node {@code after}, or nothing if that is 0.
     *
     * @param slots address of the array of pointers to the parameters, which the driver copies
     */
    long addKernel(long graph, long after, long function, LaunchCell cell, long slots) throws GraphException {
        dependency.set(LONG, 0, after);
        describe(function, cell, slots);
        check("cuGraphAddKernelNode", () -> (int) addKernel.invokeExact(
                result.address(), graph, dependency.address(), after == 0 ? 0L : 1L, kernel.address()));
        return result.get(LONG, 0);
    }

    /** A graph as a node of another. */
    long addChild(long graph, long after, long child) throws GraphException {
        dependency.set(LONG, 0, after);
        check("cuGraphAddChildGraphNode", () ->
                (int) addChild.invokeExact(result.address(), graph, dependency.address(), after == 0 ? 0L : 1L, child));
        return result.get(LONG, 0);
    }

    long instantiate(long graph) throws GraphException {
        check("cuGraphInstantiate", () -> (int) instantiate.invokeExact(result.address(), graph, 0L));
        return result.get(LONG, 0);
    }

    /** Changes grid and parameters of a node for launches from now on. */
    void setKernel(long exec, long node, long function, LaunchCell cell, long slots) throws GraphException {
        describe(function, cell, slots);
        check("cuGraphExecKernelNodeSetParams", () -> (int) setKernel.invokeExact(exec, node, kernel.address()));
    }

    private void describe(long function, LaunchCell cell, long slots) {
        kernel.set(LONG, 0, function);
        kernel.set(INT, 8, cell.x);
        kernel.set(INT, 12, cell.y);
        kernel.set(INT, 16, cell.z);
        kernel.set(INT, 20, cell.threads);
        kernel.set(INT, 24, 1);
        kernel.set(INT, 28, 1);
        kernel.set(INT, 32, cell.shared);
        kernel.set(LONG, 40, slots);
    }

    /** @return the driver's result, since a launch that fails is an error of the program's */
    int launch(long exec, long stream) {
        try {
            return (int) launch.invokeExact(exec, stream);
        } catch (Throwable e) {
            throw new AssertionError("a call of the driver throws nothing", e);
        }
    }

    void beginCapture(long stream) throws GraphException {
        check("cuStreamBeginCapture", () -> (int) beginCapture.invokeExact(stream, RELAXED));
    }

    /** @return the graph of what was started on the stream since */
    long endCapture(long stream) throws GraphException {
        check("cuStreamEndCapture", () -> (int) endCapture.invokeExact(stream, result.address()));
        return result.get(LONG, 0);
    }

    void destroyGraph(long graph) {
        try {
            int unused = (int) destroyGraph.invokeExact(graph);
        } catch (Throwable e) {
            throw new AssertionError("a call of the driver throws nothing", e);
        }
    }

    void destroyExec(long exec) {
        try {
            int unused = (int) destroyExec.invokeExact(exec);
        } catch (Throwable e) {
            throw new AssertionError("a call of the driver throws nothing", e);
        }
    }
}
