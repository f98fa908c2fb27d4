package io.quern.cuda.driver;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;

/** Addresses as JCuda's pointers and back. */
final class RawPointer extends Pointer {
    private static final MethodHandle NATIVE_POINTER = nativePointer();

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

    private static MethodHandle nativePointer() {
        try {
            return MethodHandles.privateLookupIn(NativePointerObject.class, MethodHandles.lookup())
                    .findVirtual(NativePointerObject.class, "getNativePointer", MethodType.methodType(long.class));
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** What the driver knows a stream or a kernel by. */
    static long handle(NativePointerObject o) {
        try {
            return (long) NATIVE_POINTER.invokeExact(o);
        } catch (Throwable e) {
            throw new AssertionError("reading a field throws nothing", e);
        }
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
