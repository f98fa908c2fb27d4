package io.quern.tensor;

import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;
import io.quern.tensor.spi.Buffer;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A multi-dimensional array on a device: a handle on a region of a buffer, with shape, dtype and strides. Operations give
 * new tensors, which belong to the current {@link Scope}; those that end in nothing but a view (reshape, transpose,
 * permute, narrow, select, expand) share the buffer. Handles are immutable, but for the operations whose documentation
 * says "in place".
 */
public final class Tensor implements AutoCloseable {
    private final Buffer buffer;
    private final DType dtype;
    private Shape shape;
    private long offset;
    private long[] strides;
    private boolean packed;
    private String label;
    private boolean requiresGrad;
    private Tape.Node node;
    private int nodeOutput;

    Tensor(Buffer buffer, DType dtype, Shape shape, long offset, long[] strides) {
        this.buffer = buffer;
        this.dtype = dtype;
        this.shape = shape;
        this.offset = offset;
        this.strides = strides;
        this.packed = Layouts.isPacked(shape, strides);
    }

    /** Distance from the start of the buffer, in elements. */
    long offset() {
        return offset;
    }

    /**
     * Makes this handle another region of the same buffer, for the views that follow a {@link Recording}: the one case in
     * which a handle changes. Strides stay; those of a packed tensor become those of the packed new shape.
     */
    void move(Shape newShape, long newOffset) {
        long[] newStrides = packed && !newShape.equals(shape) ? newShape.strides() : strides;
        long last = newOffset;
        for (int i = 0; i < newShape.rank(); i++) {
            last += (newShape.dim(i) - 1) * newStrides[i];
        }
        if (newOffset < 0 || dtype.bytes(last + 1) > buffer.bytes()) {
            throw new TensorException(describe() + " cannot become " + newShape + " at element " + newOffset
                    + ": its buffer ends before");
        }
        shape = newShape;
        offset = newOffset;
        strides = newStrides;
    }

    // ---- creation

    /** A tensor whose contents are undefined, for operations that fill it. */
    public static Tensor empty(Device device, DType dtype, Shape shape) {
        return Engine.allocate(device.backend(), new Op.Spec(shape, dtype), null);
    }

    public static Tensor full(Device device, DType dtype, Shape shape, double value) {
        return empty(device, dtype, shape).fill(value);
    }

    public static Tensor zeros(Device device, DType dtype, Shape shape) {
        return full(device, dtype, shape, 0);
    }

    /** Zeros in F32 on the CPU. */
    public static Tensor zeros(int... dims) {
        return zeros(Device.CPU, DType.F32, Shape.of(dims));
    }

    /** Ones in F32 on the CPU. */
    public static Tensor ones(int... dims) {
        return full(Device.CPU, DType.F32, Shape.of(dims), 1);
    }

    /** F32 on the CPU, row-major. */
    public static Tensor of(float[] values, int... dims) {
        return host(MemorySegment.ofArray(values), DType.F32, values.length, dims);
    }

    /** F64 on the CPU, row-major. */
    public static Tensor of(double[] values, int... dims) {
        return host(MemorySegment.ofArray(values), DType.F64, values.length, dims);
    }

    /** I32 on the CPU, row-major. */
    public static Tensor of(int[] values, int... dims) {
        return host(MemorySegment.ofArray(values), DType.I32, values.length, dims);
    }

    /** A F32 scalar on the CPU. */
    public static Tensor scalar(float value) {
        return of(new float[] {value});
    }

    private static Tensor host(MemorySegment values, DType dtype, int length, int... dims) {
        Shape shape = Shape.of(dims);
        if (shape.size() != length) {
            throw new TensorException("shape " + shape + " has " + shape.size() + " elements, but there are " + length);
        }
        return from(Device.CPU, dtype, shape, values);
    }

    /** A tensor with a copy of packed little-endian host memory. */
    public static Tensor from(Device device, DType dtype, Shape shape, MemorySegment values) {
        long bytes = dtype.bytes(shape);
        if (values.byteSize() != bytes) {
            throw new TensorException(
                    dtype + " " + shape + " takes " + bytes + " bytes, but there are " + values.byteSize());
        }
        Tensor t = empty(device, dtype, shape);
        Engine.write(values, t.buffer, 0);
        return t;
    }

    /**
     * A CPU tensor over host memory that stays where it is, such as a mapped file; if the memory is read-only, operations
     * that write in place refuse it. {@code onFree} runs once when the tensor is freed; until then the memory must stay valid.
     */
    public static Tensor wrap(MemorySegment memory, DType dtype, Shape shape, Runnable onFree) {
        if (!memory.isNative() || memory.byteSize() != dtype.bytes(shape)) {
            throw new TensorException("cannot wrap " + memory.byteSize() + " bytes of "
                    + (memory.isNative() ? "native" : "heap") + " memory as " + dtype + " " + shape);
        }
        Buffer b = new HostBuffer(Device.CPU.backend(), memory, onFree);
        Scope.adopt(b);
        return new Tensor(b, dtype, shape, 0, shape.strides());
    }

    /** Memory of someone else's. */
    private static final class HostBuffer extends Buffer {
        private final MemorySegment memory;
        private final Runnable onFree;

        HostBuffer(io.quern.tensor.spi.Backend backend, MemorySegment memory, Runnable onFree) {
            super(backend, memory.byteSize());
            this.memory = memory;
            this.onFree = onFree;
        }

        @Override
        public boolean isReadOnly() {
            return memory.isReadOnly();
        }

        @Override
        public long address() {
            return memory.address();
        }

        @Override
        protected void free() {
            onFree.run();
        }
    }

    /** Standard normal numbers times {@code std}, drawn on the host, so equal on every device. */
    public static Tensor randn(Rng rng, double std, int... dims) {
        float[] x = new float[Math.toIntExact(Shape.of(dims).size())];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) (rng.nextGaussian() * std);
        }
        return of(x, dims);
    }

    /** I32 numbers 0, 1, ..., n - 1 on the CPU. */
    public static Tensor arange(int n) {
        int[] x = new int[n];
        Arrays.setAll(x, i -> i);
        return of(x, n);
    }

    // ---- what it is

    public Shape shape() {
        return shape;
    }

    /** Dimension {@code i}; negative counts from the end. */
    public int dim(int i) {
        return shape.dim(i);
    }

    /** Number of elements. */
    public long size() {
        return shape.size();
    }

    public DType dtype() {
        return dtype;
    }

    public Device device() {
        return buffer.backend().device();
    }

    /** Strides in elements. */
    public long[] strides() {
        return strides;
    }

    /** Stride of dimension {@code i} in elements; negative counts from the end. */
    public long stride(int i) {
        return strides[shape.axis(i)];
    }

    /** Whether the elements lie row-major without gaps. */
    public boolean isPacked() {
        return packed;
    }

    public Buffer buffer() {
        return buffer;
    }

    /** Address of the first element on the device. */
    public long address() {
        return buffer.address() + dtype.bytes(offset);
    }

    /** The memory of a packed tensor on the CPU; valid while the tensor is alive. */
    public MemorySegment data() {
        checkAlive();
        if (!device().equals(Device.CPU) || !packed) {
            throw new TensorException(describe() + " on " + device() + ": only a packed CPU tensor has host memory");
        }
        return MemorySegment.ofAddress(address()).reinterpret(dtype.bytes(size()));
    }

    /** Names the tensor in errors. */
    public Tensor named(String label) {
        this.label = label;
        return this;
    }

    /** Dtype, shape and name, for messages. */
    public String describe() {
        return dtype + " " + shape + (label == null ? "" : " '" + label + "'");
    }

    @Override
    public String toString() {
        return "Tensor " + describe() + " on " + device() + (buffer.isAlive() ? "" : ", freed");
    }

    // ---- lifetime and gradient

    /** Takes the tensor out of its scope: it lives until {@link #close()}. */
    public Tensor keep() {
        checkAlive();
        Scope.keep(buffer);
        return this;
    }

    /** Frees the buffer that this tensor and its views share, without waiting for the scope. */
    @Override
    public void close() {
        Scope.free(buffer);
    }

    public boolean isAlive() {
        return buffer.isAlive();
    }

    void checkAlive() {
        if (!buffer.isAlive()) {
            TensorException e = new TensorException("the tensor " + describe()
                    + " is freed: it was born in a scope that has ended, or closed; return it from Scope.tidy,"
                    + " or keep() it");
            if (buffer.site() != null) {
                e.addSuppressed(buffer.site());
            }
            throw e;
        }
    }

    /** Another handle on the same elements, owned by the current scope; for the tape. */
    Tensor adopted() {
        buffer.retain();
        Scope.free(buffer);
        Scope.adopt(buffer);
        return this;
    }

    /** Makes this a leaf whose gradient {@link Tape#gradients} computes. In place. */
    public Tensor requireGrad() {
        if (!dtype.isFloating() || node != null) {
            throw new TensorException(describe() + ": only floating-point tensors that are not themselves results of a"
                    + " recorded operation can be leaves");
        }
        requiresGrad = true;
        return this;
    }

    /** Stops being a leaf. In place. */
    public Tensor freeze() {
        requiresGrad = false;
        return this;
    }

    public boolean requiresGrad() {
        return requiresGrad;
    }

    /** A handle on the same elements that the tape does not follow. */
    public Tensor detach() {
        checkAlive();
        return new Tensor(buffer, dtype, shape, offset, strides);
    }

    Tape.Node node() {
        return node;
    }

    int nodeOutput() {
        return nodeOutput;
    }

    void setNode(Tape.Node node, int output) {
        this.node = node;
        this.nodeOutput = output;
    }

    // ---- out of tensors

    /** All elements, row-major, as floats; waits for the device. */
    public float[] toFloats() {
        if (dtype != DType.F32) {
            return cast(DType.F32).toFloatsAndFree();
        }
        float[] x = new float[Math.toIntExact(size())];
        readInto(MemorySegment.ofArray(x));
        return x;
    }

    private float[] toFloatsAndFree() {
        float[] x = toFloats();
        close();
        return x;
    }

    /** All elements, row-major, as doubles; waits for the device. */
    public double[] toDoubles() {
        if (dtype != DType.F64) {
            Tensor wide = cast(DType.F64);
            double[] x = wide.toDoubles();
            wide.close();
            return x;
        }
        double[] x = new double[Math.toIntExact(size())];
        readInto(MemorySegment.ofArray(x));
        return x;
    }

    /** All elements, row-major; the dtype must be I32. */
    public int[] toInts() {
        if (dtype != DType.I32) {
            throw new TensorException(describe() + ": toInts needs I32 (cast first)");
        }
        int[] x = new int[Math.toIntExact(size())];
        readInto(MemorySegment.ofArray(x));
        return x;
    }

    /** The only element. */
    public double item() {
        if (size() != 1) {
            throw new TensorException("item: needs one element; got " + describe());
        }
        return toDoubles()[0];
    }

    /** Copies the elements, row-major and in this dtype, into host memory of just their size. */
    public void readInto(MemorySegment target) {
        checkAlive();
        if (target.byteSize() != dtype.bytes(shape)) {
            throw new TensorException(describe() + " does not fit into " + target.byteSize() + " bytes of host memory");
        }
        if (packed) {
            Engine.read(buffer, dtype.bytes(offset), target);
        } else {
            Tensor p = Tape.noGrad(this::copy);
            p.readInto(target);
            p.close();
        }
    }

    /**
     * Overwrites the first elements, row-major, with packed little-endian host memory, as many as it has. In place.
     *
     * @throws TensorException unless the tensor is packed, or if there are more values than elements
     */
    public Tensor writeFrom(MemorySegment values) {
        checkAlive();
        if (!packed || values.byteSize() > dtype.bytes(shape)) {
            throw new TensorException("writeFrom: " + describe() + (packed ? "" : ", not packed,") + " cannot take "
                    + values.byteSize() + " bytes");
        }
        if (buffer.isReadOnly()) {
            throw new TensorException(
                    "writeFrom: " + describe() + " lies in memory that is read-only; copy() it first");
        }
        Engine.write(values, buffer, dtype.bytes(offset));
        return this;
    }

    /** The same elements on another device, packed; this tensor if it is there already. */
    public Tensor to(Device device) {
        if (device.equals(device())) {
            return this;
        }
        Tensor t = Engine.allocate(device.backend(), new Op.Spec(shape, dtype), this);
        if (device.equals(Device.CPU)) {
            readInto(t.data());
        } else if (device().equals(Device.CPU) && packed) {
            Engine.write(data(), t.buffer, 0);
        } else {
            try (Tensor host = empty(Device.CPU, dtype, shape)) {
                readInto(host.data());
                Engine.write(host.data(), t.buffer, 0);
            }
        }
        return t;
    }

    /** The first elements, for people. */
    public String preview(int count) {
        int n = (int) Math.min(count, size());
        return Tape.noGrad(() -> Scope.run(() -> {
            Tensor plain = dtype.isQuantized() ? cast(DType.F32) : this;
            Tensor head = plain.reshape(Shape.of(Math.toIntExact(size()))).narrow(0, 0, n);
            return (dtype == DType.I32 ? Arrays.toString(head.toInts()) : Arrays.toString(head.toFloats()))
                    + (n < size() ? " ... " + size() + " in all" : "");
        }));
    }

    // ---- running operations

    /** Runs an operation of one result. */
    public static Tensor run(Op op) {
        return Engine.run(op)[0];
    }

    /** Runs an operation of any number of results. */
    public static List<Tensor> runAll(Op op) {
        return Arrays.asList(Engine.run(op));
    }

    private Tensor unary(UnaryKind kind) {
        return run(new Elementwise.Unary(kind, this));
    }

    private Tensor binary(BinaryKind kind, Tensor other) {
        return run(new Elementwise.Binary(kind, this, other));
    }

    // ---- elementwise

    public Tensor neg() {
        return unary(UnaryKind.NEG);
    }

    public Tensor exp() {
        return unary(UnaryKind.EXP);
    }

    /** Natural logarithm. */
    public Tensor log() {
        return unary(UnaryKind.LOG);
    }

    public Tensor sqrt() {
        return unary(UnaryKind.SQRT);
    }

    public Tensor rsqrt() {
        return unary(UnaryKind.RSQRT);
    }

    public Tensor reciprocal() {
        return unary(UnaryKind.RECIPROCAL);
    }

    public Tensor square() {
        return unary(UnaryKind.SQUARE);
    }

    public Tensor abs() {
        return unary(UnaryKind.ABS);
    }

    public Tensor relu() {
        return unary(UnaryKind.RELU);
    }

    public Tensor sigmoid() {
        return unary(UnaryKind.SIGMOID);
    }

    public Tensor tanh() {
        return unary(UnaryKind.TANH);
    }

    /** The exact GELU, by erf. */
    public Tensor gelu() {
        return unary(UnaryKind.GELU);
    }

    /** GPT-2's GELU, approximated by tanh. */
    public Tensor geluTanh() {
        return unary(UnaryKind.GELU_TANH);
    }

    public Tensor silu() {
        return unary(UnaryKind.SILU);
    }

    public Tensor add(Tensor other) {
        return binary(BinaryKind.ADD, other);
    }

    public Tensor sub(Tensor other) {
        return binary(BinaryKind.SUB, other);
    }

    public Tensor mul(Tensor other) {
        return binary(BinaryKind.MUL, other);
    }

    public Tensor div(Tensor other) {
        return binary(BinaryKind.DIV, other);
    }

    /** The larger of each pair. */
    public Tensor maximum(Tensor other) {
        return binary(BinaryKind.MAX, other);
    }

    /** The smaller of each pair. */
    public Tensor minimum(Tensor other) {
        return binary(BinaryKind.MIN, other);
    }

    /** Every element times a number. */
    public Tensor scale(double factor) {
        return run(new Elementwise.Affine(this, factor, 0));
    }

    /** Every element plus a number. */
    public Tensor shift(double summand) {
        return run(new Elementwise.Affine(this, 1, summand));
    }

    /** 1 where the comparison holds, else 0: I32. */
    public Tensor compare(Elementwise.CompareKind kind, Tensor other) {
        return run(new Elementwise.Compare(kind, this, other));
    }

    /** With this as condition (I32): a where it is not 0, else b. */
    public Tensor where(Tensor a, Tensor b) {
        return run(new Elementwise.Where(this, a, b));
    }

    /**
     * The same numbers in another dtype; this tensor if it has it already. Numbers become quantised by blocks along the
     * innermost dimension.
     */
    public Tensor cast(DType to) {
        if (to == dtype) {
            return this;
        }
        if (dtype.isQuantized() && !packed && shape.rank() == 2) {
            return run(new Elementwise.Cast(transpose(0, 1), to)).transpose(0, 1);
        }
        return run(new Elementwise.Cast(this, to));
    }

    /** Sets elements to 0 with probability p and divides the rest by 1 - p; the stream picks the random numbers. */
    public Tensor dropout(double p, long seed, long stream) {
        return p == 0 ? this : run(new Elementwise.Dropout(this, p, seed, stream));
    }

    // ---- reductions

    /** Sum over axes; without axes over all. The axes vanish. */
    public Tensor sum(int... axes) {
        return reduce(Reduce.Kind.SUM, axes);
    }

    public Tensor mean(int... axes) {
        return reduce(Reduce.Kind.MEAN, axes);
    }

    public Tensor max(int... axes) {
        return reduce(Reduce.Kind.MAX, axes);
    }

    public Tensor min(int... axes) {
        return reduce(Reduce.Kind.MIN, axes);
    }

    private Tensor reduce(Reduce.Kind kind, int... axes) {
        boolean[] gone = new boolean[shape.rank()];
        for (int a : axes) {
            int axis = shape.axis(a);
            if (gone[axis]) {
                throw new TensorException(kind.label() + ": axis " + a + " is named twice for " + describe());
            }
            gone[axis] = true;
        }
        List<Integer> sorted = new ArrayList<>();
        int[] left = new int[axes.length == 0 ? 0 : gone.length - axes.length];
        int n = 0;
        for (int i = 0; i < gone.length; i++) {
            if (gone[i] || axes.length == 0) {
                sorted.add(i);
            } else {
                left[n++] = shape.dim(i);
            }
        }
        return run(new Reduce.Axes(kind, this, sorted)).reshape(left);
    }

    /** The sum over all that {@code expand} or broadcasting to this shape repeated: the gradient of broadcasting. */
    public Tensor sumTo(Shape target) {
        if (shape.equals(target)) {
            return this;
        }
        List<Integer> axes = new ArrayList<>();
        int extra = shape.rank() - target.rank();
        for (int i = 0; i < shape.rank(); i++) {
            if (i < extra || target.dim(i - extra) == 1 && shape.dim(i) != 1) {
                axes.add(i);
            }
        }
        Tensor sum = axes.isEmpty() ? this : run(new Reduce.Axes(Reduce.Kind.SUM, this, axes));
        return sum.reshape(target);
    }

    /** Index of the largest element along the innermost dimension, which vanishes: I32. */
    public Tensor argmax() {
        return run(new Reduce.ArgMax(this));
    }

    /**
     * The k largest along the innermost dimension, best first, of equal ones the first, and NaN before all: their values, and
     * their indices (I32).
     */
    public List<Tensor> topK(int k) {
        return runAll(new Reduce.TopK(this, k));
    }

    /** Over the innermost dimension. */
    public Tensor softmax() {
        return run(new Reduce.Softmax(this, false));
    }

    /** Over the innermost dimension. */
    public Tensor logSoftmax() {
        return run(new Reduce.Softmax(this, true));
    }

    // ---- products, norms, attention, indexing

    /** this [..., M, K] times other [..., K, N]. */
    public Tensor matmul(Tensor other) {
        return run(new MatMul(this, other, null));
    }

    /** this [..., M, K] times weight [K, N] plus bias [N], which may be null. */
    public Tensor matmul(Tensor weight, Tensor bias) {
        return run(new MatMul(this, weight, bias));
    }

    /**
     * f(this [..., M, K] times weight [K, N] plus bias [N]), as in a feed-forward layer. The bias, which may be null, is added in
     * the pass that applies f.
     */
    public Tensor matmul(Tensor weight, Tensor bias, UnaryKind f) {
        Tensor product = matmul(weight);
        return run(bias == null ? new Elementwise.Unary(f, product) : new Elementwise.BiasUnary(f, product, bias));
    }

    /** Over the innermost dimension; weight and bias may be null. */
    public Tensor layerNorm(Tensor weight, Tensor bias, double eps) {
        return run(new Norm.LayerNorm(this, weight, bias, eps));
    }

    /**
     * The sum of this and a tensor of its shape, and the layer norm of the sum: the norm first, then the sum. One pass over
     * both, bit for bit what {@link #add} and {@link #layerNorm} give in F32 and F64; in 16 bits the norm is more exact, as
     * the sum is not rounded before it.
     */
    public List<Tensor> addLayerNorm(Tensor added, Tensor weight, Tensor bias, double eps) {
        return runAll(new Norm.AddLayerNorm(this, added, weight, bias, eps)).subList(0, 2);
    }

    /** The RMS norm of the sum of this and a tensor of its shape, then the sum, as {@link #addLayerNorm}. */
    public List<Tensor> addRmsNorm(Tensor added, Tensor weight, double eps) {
        return runAll(new Norm.AddRmsNorm(this, added, weight, eps)).subList(0, 2);
    }

    /** Over the innermost dimension; the weight may be null. */
    public Tensor rmsNorm(Tensor weight, double eps) {
        return run(new Norm.RmsNorm(this, weight, eps));
    }

    /** With this [B, T, H, D] as queries; see {@link Attention.Forward}. */
    public Tensor attention(Tensor k, Tensor v, Tensor keyMask, Attention.Options options) {
        return run(new Attention.Forward(this, k, v, keyMask, null, options));
    }

    /** With this [N, C, H, W] and a weight [O, C / groups, KH, KW]; the bias [O] may be null. */
    public Tensor conv2d(Tensor weight, Tensor bias, Conv.Geometry geometry) {
        return run(new Conv.Forward(this, weight, bias, geometry));
    }

    /** With this as table [V, C]: rows by ids (I32). */
    public Tensor embedding(Tensor ids) {
        return run(new Index.Embedding(this, ids));
    }

    public static Tensor concat(int axis, Tensor... parts) {
        if (parts.length == 0) {
            throw new TensorException("concat: there is nothing to join");
        }
        return run(new Index.Concat(List.of(parts), parts[0].shape.axis(axis)));
    }

    /** Loss of each row, see {@link Loss.CrossEntropy}. */
    public Tensor crossEntropy(Tensor targets, int ignoreIndex, double smoothing) {
        return run(new Loss.CrossEntropy(this, targets, null, ignoreIndex, smoothing));
    }

    // ---- views

    /** The same elements in order, in another shape; one dimension may be -1. A copy only where strides demand it. */
    public Tensor reshape(int... dims) {
        int[] d = dims.clone();
        int free = -1;
        long known = 1;
        for (int i = 0; i < d.length; i++) {
            if (d[i] == -1 && free < 0) {
                free = i;
            } else {
                known *= d[i];
            }
        }
        if (free >= 0) {
            if (known == 0 || size() % known != 0) {
                throw new TensorException("reshape: " + describe() + " does not fit " + Arrays.toString(dims));
            }
            d[free] = Math.toIntExact(size() / known);
        }
        return reshape(Shape.of(d));
    }

    /** The same elements in order, in another shape. */
    public Tensor reshape(Shape to) {
        if (to.size() != size()) {
            throw new TensorException(
                    "reshape: " + describe() + " has " + size() + " elements, " + to + " has " + to.size());
        }
        if (to.equals(shape)) {
            return this;
        }
        long[] s = Layouts.reshape(shape, strides, to);
        return s == null ? copy().reshape(to) : Engine.view(new View.Reshape(this, to), offset, s);
    }

    /** Swaps two dimensions. */
    public Tensor transpose(int a, int b) {
        int[] order = new int[shape.rank()];
        Arrays.setAll(order, i -> i);
        order[shape.axis(a)] = shape.axis(b);
        order[shape.axis(b)] = shape.axis(a);
        return permute(order);
    }

    /** Dimension i of the result is dimension {@code order[i]} of this. */
    public Tensor permute(int... order) {
        int rank = shape.rank();
        boolean[] seen = new boolean[rank];
        int[] d = new int[rank];
        long[] s = new long[rank];
        if (order.length != rank) {
            throw new TensorException(
                    "permute: " + Arrays.toString(order) + " does not name every dimension of " + describe());
        }
        List<Integer> axes = new ArrayList<>(rank);
        for (int i = 0; i < rank; i++) {
            int a = shape.axis(order[i]);
            if (seen[a]) {
                throw new TensorException("permute: " + Arrays.toString(order) + " names dimension " + a + " twice");
            }
            seen[a] = true;
            d[i] = shape.dim(a);
            s[i] = strides[a];
            axes.add(a);
        }
        return Engine.view(new View.Permute(this, axes, Shape.of(d)), offset, s);
    }

    /** Elements {@code start} to {@code start + length} of an axis. */
    public Tensor narrow(int axis, int start, int length) {
        int a = shape.axis(axis);
        if (start < 0 || length < 0 || (long) start + length > shape.dim(a)) {
            throw new TensorException("narrow: " + start + " to " + ((long) start + length) + " is outside axis " + a
                    + " of " + describe());
        }
        return Engine.view(
                new View.Narrow(this, a, start, length, shape.with(a, length)), offset + start * strides[a], strides);
    }

    /** Element {@code index} of an axis, which vanishes. */
    public Tensor select(int axis, int index) {
        int a = shape.axis(axis);
        int[] d = new int[shape.rank() - 1];
        for (int i = 0; i < d.length; i++) {
            d[i] = shape.dim(i < a ? i : i + 1);
        }
        return narrow(a, index, 1).reshape(Shape.of(d));
    }

    /** Repeats dimensions of size 1, and adds outer ones, without copying. */
    public Tensor expand(Shape to) {
        int extra = to.rank() - shape.rank();
        long[] s = new long[to.rank()];
        for (int i = 0; i < to.rank(); i++) {
            int d = i < extra ? 1 : extra < 0 ? -1 : shape.dim(i - extra);
            if (d != to.dim(i) && d != 1) {
                throw new TensorException("expand: " + describe() + " does not expand to " + to);
            }
            s[i] = i < extra || d != to.dim(i) ? 0 : strides[i - extra];
        }
        if (extra < 0) {
            throw new TensorException("expand: " + describe() + " does not expand to " + to);
        }
        return to.equals(shape) ? this : Engine.view(new View.Expand(this, to), offset, s);
    }

    /** The same elements, packed, in a buffer of their own. */
    public Tensor copy() {
        return run(new Index.Pack(this));
    }

    /** This tensor if it is packed, else a packed copy. */
    public Tensor pack() {
        return packed ? this : copy();
    }

    // ---- in place

    /** Every element = value. In place. */
    public Tensor fill(double value) {
        Engine.run(new Update.Fill(this, value));
        return this;
    }

    /** The elements of {@code source}, of equal shape and dtype. In place. */
    public Tensor assign(Tensor source) {
        Engine.run(new Update.Assign(this, source));
        return this;
    }

    /** this += factor * source. In place. */
    public Tensor accumulate(Tensor source, double factor) {
        Engine.run(new Update.Accumulate(this, source, factor));
        return this;
    }
}
