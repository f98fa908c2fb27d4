package io.quern.tensor.testing;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The device {@code broken}: the scalar kernels, but for one call of one operation whose result has one element that is a
 * little wrong. By itself it is right; tests say what breaks.
 */
public final class BrokenDevice implements BackendProvider {
    public static final Device DEVICE = new Device("broken", 0);

    private static volatile String op = "";
    private static volatile double factor = 1;
    private static final AtomicInteger CALLS = new AtomicInteger();
    private static final AtomicInteger BROKEN = new AtomicInteger();

    /**
     * From now on the call {@code call}, counted from 0, of the operation of this name gives its middle element times
     * {@code factor}.
     */
    public static void breakCall(String name, int call, double by) {
        op = name;
        factor = by;
        BROKEN.set(call);
        CALLS.set(0);
    }

    /** All is right from now on. */
    public static void repair() {
        op = "";
    }

    @Override
    public String kind() {
        return DEVICE.kind();
    }

    @Override
    public Backend open(int index) {
        return new Broken();
    }

    private static final class Broken implements Backend {
        private static Backend right() {
            return new Device("reference", 0).backend();
        }

        @Override
        public Device device() {
            return DEVICE;
        }

        @Override
        public String description() {
            return "scalar kernels, one of them broken";
        }

        @Override
        public Buffer allocate(long bytes) {
            return new BorrowedBuffer(this, right().allocate(bytes));
        }

        @Override
        public void run(Op o, Tensor[] in, Tensor[] out) {
            right().run(o, in, out);
            if (o.name().equals(op) && CALLS.getAndIncrement() == BROKEN.get()) {
                MemorySegment element = MemorySegment.ofAddress(out[0].address() + 4 * (out[0].size() / 2))
                        .reinterpret(4);
                float x = element.get(ValueLayout.JAVA_FLOAT, 0);
                element.set(ValueLayout.JAVA_FLOAT, 0, (float) (x * factor));
            }
        }

        @Override
        public void read(Buffer source, long byteOffset, MemorySegment target) {
            right().read(((BorrowedBuffer) source).real, byteOffset, target);
        }

        @Override
        public void write(MemorySegment source, Buffer target, long byteOffset) {
            right().write(source, ((BorrowedBuffer) target).real, byteOffset);
        }

        @Override
        public boolean hasQuantized() {
            return true;
        }

        @Override
        public MemoryStats memory() {
            return right().memory();
        }

        @Override
        public void resetPeak() {
            right().resetPeak();
        }

        @Override
        public void trim() {
            right().trim();
        }
    }

    private static final class BorrowedBuffer extends Buffer {
        private final Buffer real;

        BorrowedBuffer(Backend backend, Buffer real) {
            super(backend, real.bytes());
            this.real = real;
        }

        @Override
        public long address() {
            return real.address();
        }

        @Override
        protected void free() {
            real.release();
        }
    }
}
