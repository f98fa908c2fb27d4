package io.quern.tensor.cpu;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.Compare;
import io.quern.tensor.check.Tolerance;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Update;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A CPU device for tests. Buffers end where they were asked to end, lie between guard words, and are full of NaN at first;
 * every operation is followed by a look at the guards of its operands and results. Where there are twins, they run on
 * copies of the operands and must agree.
 */
final class GuardedBackend implements Backend {
    /** Kernel sets by themselves: {@code scalar} runs the scalar twins. */
    static final Device SCALAR = new Device("scalar", 0);

    /** The vector kernels, compared with their scalar twins after every operation. */
    static final Device CHECKED = new Device("checked", 0);

    /** Opens {@link #SCALAR}. */
    public static final class Scalar implements BackendProvider {
        @Override
        public String kind() {
            return SCALAR.kind();
        }

        @Override
        public Backend open(int index) {
            return new GuardedBackend(SCALAR, new ScalarKernels(), null);
        }
    }

    /** Opens {@link #CHECKED}. */
    public static final class Checked implements BackendProvider {
        @Override
        public String kind() {
            return CHECKED.kind();
        }

        @Override
        public Backend open(int index) {
            return new GuardedBackend(CHECKED, new VectorKernels(), new ScalarKernels());
        }
    }

    private static final int GUARD_BYTES = 256;
    private static final byte GUARD = (byte) 0xA5;
    private static final byte UNWRITTEN = (byte) 0xFF;

    private final Device device;
    private final Kernels kernels;
    private final Kernels twins;
    private final Set<Class<? extends Op>> seen = ConcurrentHashMap.newKeySet();

    /** The largest error of every operation, as a part of its tolerance. */
    private final Map<String, Double> ratios = new ConcurrentHashMap<>();

    GuardedBackend(Device device, Kernels kernels, Kernels twins) {
        this.device = device;
        this.kernels = kernels;
        this.twins = twins;
    }

    static GuardedBackend of(Device device) {
        return (GuardedBackend) device.backend();
    }

    /** The operations that ran since the start. */
    Set<Class<? extends Op>> seen() {
        return seen;
    }

    Map<String, Double> ratios() {
        return ratios;
    }

    private static final class GuardedBuffer extends Buffer {
        private final long raw;
        private final long address;

        GuardedBuffer(Backend backend, long bytes) {
            super(backend, bytes);
            raw = Malloc.malloc(bytes + 2 * GUARD_BYTES + 64);
            address = (raw + GUARD_BYTES + 63) & -64;
            OffHeap.ALL.asSlice(address - GUARD_BYTES, bytes + 2 * GUARD_BYTES).fill(GUARD);
            OffHeap.ALL.asSlice(address, bytes).fill(UNWRITTEN);
        }

        @Override
        public long address() {
            return address;
        }

        void checkGuards(String when) {
            for (long at : new long[] {address - GUARD_BYTES, address + bytes()}) {
                for (int i = 0; i < GUARD_BYTES; i++) {
                    if (OffHeap.ALL.get(java.lang.foreign.ValueLayout.JAVA_BYTE, at + i) != GUARD) {
                        throw new AssertionError(when + " wrote outside a buffer of " + bytes() + " bytes, "
                                + (at + i - address) + " bytes from its start");
                    }
                }
            }
        }

        byte[] contents() {
            byte[] copy = new byte[Math.toIntExact(bytes())];
            MemorySegment.copy(OffHeap.ALL, address, MemorySegment.ofArray(copy), 0, copy.length);
            return copy;
        }

        void setContents(byte[] bytes) {
            MemorySegment.copy(MemorySegment.ofArray(bytes), 0, OffHeap.ALL, address, bytes.length);
        }

        @Override
        protected void free() {
            Malloc.free(raw);
        }
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public String description() {
        return kernels.description() + " between guard words";
    }

    @Override
    public Buffer allocate(long bytes) {
        return new GuardedBuffer(this, bytes);
    }

    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        seen.add(op.getClass());
        Map<GuardedBuffer, byte[]> before = contents(in);
        kernels.run(op, in, out);
        for (Tensor t : all(in, out)) {
            ((GuardedBuffer) t.buffer()).checkGuards(op.name());
        }
        if (!(op instanceof Update)) {
            before.forEach((buffer, bytes) -> {
                if (!Arrays.equals(bytes, buffer.contents())) {
                    throw new AssertionError(op.name() + " changed an operand");
                }
            });
        }
        if (twins != null) {
            compare(op, in, out, before);
        }
    }

    /** Runs the twins in the same memory, from the same start, and restores what the kernels left there. */
    private void compare(Op op, Tensor[] in, Tensor[] out, Map<GuardedBuffer, byte[]> before) {
        List<Tensor> results = op instanceof Update ? all(in) : List.of(out);
        List<double[]> got = new ArrayList<>();
        results.forEach(t -> got.add(ScalarMemory.read(t)));
        Map<GuardedBuffer, byte[]> after = contents(results.toArray(Tensor[]::new));
        before.forEach(GuardedBuffer::setContents);
        twins.run(op, in, out);
        List<String> failures = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            Tensor t = results.get(i);
            Tolerance tolerance = Tolerance.of(op, t.dtype());
            Compare.Result r = Compare.arrays(
                    op.name() + " " + t.dtype() + " of " + all(in) + ", result " + i,
                    ScalarMemory.read(t),
                    got.get(i),
                    t.shape(),
                    tolerance);
            if (!r.ok()) {
                failures.add(r.message());
            }
            if (tolerance != Tolerance.EXACT) {
                ratios.merge(op.name() + " " + t.dtype(), r.ratio(), Math::max);
            }
            if (op instanceof Update && !gapsUntouched(t, before, after)) {
                failures.add(op.name() + " of " + all(in) + " changed elements outside its target");
            }
        }
        after.forEach(GuardedBuffer::setContents);
        if (!failures.isEmpty()) {
            throw new AssertionError(String.join("\n", failures));
        }
    }

    /** Whether the bytes of the buffer that are not the tensor's are as they were. */
    private static boolean gapsUntouched(
            Tensor t, Map<GuardedBuffer, byte[]> before, Map<GuardedBuffer, byte[]> after) {
        if (t.size() == 0
                || t.isPacked() && t.dtype().bytes(t.size()) == t.buffer().bytes()) {
            return true;
        }
        GuardedBuffer buffer = (GuardedBuffer) t.buffer();
        byte[] then = before.get(buffer).clone();
        byte[] now = after.get(buffer).clone();
        int bytes = t.dtype().bytes();
        long stride = t.shape().rank() == 0 ? 1 : t.stride(-1);
        long length = t.shape().rank() == 0 ? 1 : t.dim(-1);
        for (long row : ScalarMemory.rowOffsets(t)) {
            for (long j = 0; j < length; j++) {
                int at = (int) (t.address() - buffer.address() + (row + j * stride) * bytes);
                Arrays.fill(then, at, at + bytes, (byte) 0);
                Arrays.fill(now, at, at + bytes, (byte) 0);
            }
        }
        return Arrays.equals(then, now);
    }

    private static Map<GuardedBuffer, byte[]> contents(Tensor[] tensors) {
        Map<GuardedBuffer, byte[]> contents = new LinkedHashMap<>();
        for (Tensor t : all(tensors)) {
            contents.computeIfAbsent((GuardedBuffer) t.buffer(), GuardedBuffer::contents);
        }
        return contents;
    }

    private static List<Tensor> all(Tensor[]... lists) {
        List<Tensor> all = new ArrayList<>();
        for (Tensor[] list : lists) {
            for (Tensor t : list) {
                if (t != null) {
                    all.add(t);
                }
            }
        }
        return all;
    }

    @Override
    public void read(Buffer source, long byteOffset, MemorySegment target) {
        java.util.Objects.checkFromIndexSize(byteOffset, target.byteSize(), source.bytes());
        MemorySegment.copy(OffHeap.ALL, source.address() + byteOffset, target, 0, target.byteSize());
    }

    @Override
    public void write(MemorySegment source, Buffer target, long byteOffset) {
        java.util.Objects.checkFromIndexSize(byteOffset, source.byteSize(), target.bytes());
        MemorySegment.copy(source, 0, OffHeap.ALL, target.address() + byteOffset, source.byteSize());
    }

    @Override
    public boolean hasQuantized() {
        return true;
    }

    @Override
    public MemoryStats memory() {
        return new MemoryStats(0, 0, 0, 0, 0);
    }

    @Override
    public void resetPeak() {}

    @Override
    public void trim() {}
}
