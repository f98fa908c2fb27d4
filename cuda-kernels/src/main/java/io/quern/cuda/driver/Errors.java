package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import jcuda.driver.JCudaDriver;

/** Results of driver calls as exceptions. */
final class Errors {
    /** CUDA_ERROR_OUT_OF_MEMORY. */
    static final int OUT_OF_MEMORY = 2;

    private static final int UNSUPPORTED_PTX = 222;

    private Errors() {}

    static String name(int result) {
        String[] name = new String[1];
        JCudaDriver.cuGetErrorName(result, name);
        return name[0] == null ? "error " + result : name[0] + " (" + result + ")";
    }

    /**
     * @param what was done, such as {@code copying 12 bytes to the device}
     * @throws TensorException unless the result is 0
     */
    static void check(int result, String what) {
        if (result != 0) {
            throw new TensorException(what + " failed: " + name(result) + remedy(result));
        }
    }

    /** Whether the context is lost: every later call on it gives the same error. */
    static boolean isLost(int result) {
        return switch (result) {
            // ECC error, illegal address, timeout, hardware stack and instruction errors, launch failed
            case 214, 700, 702, 714, 715, 716, 717, 718, 719 -> true;
            default -> false;
        };
    }

    private static String remedy(int result) {
        return switch (result) {
            case UNSUPPORTED_PTX -> ". The driver is too old for the kernels: update it, or use --device cpu";
            default ->
                !isLost(result)
                        ? ""
                        : ". An earlier kernel may be the cause, since they run asynchronously: -Dquern.cuda.sync=true"
                              + " names it. The device cannot be used any more in this process; tensors on the CPU are"
                              + " intact";
        };
    }
}
