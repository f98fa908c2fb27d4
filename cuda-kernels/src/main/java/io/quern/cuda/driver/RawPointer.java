package io.quern.cuda.driver;

import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;

/** Addresses as JCuda's pointers and back. */
final class RawPointer extends Pointer {
    RawPointer(long address) {
        super(address);
    }

    /** A device pointer is a null pointer with an offset: JCuda has no constructor for addresses. */
    static CUdeviceptr device(long address) {
        return new CUdeviceptr().withByteOffset(address);
    }

    static long addressOf(NativePointerObject p) {
        return new Reader(p).address();
    }

    /** Reads what is protected. */
    private static final class Reader extends Pointer {
        Reader(NativePointerObject p) {
            super((Pointer) p);
        }

        long address() {
            return getNativePointer() + getByteOffset();
        }
    }
}
