package io.quern.cuda.driver;

import io.quern.tensor.TensorException;
import java.io.IOException;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import jcuda.driver.JCudaDriver;

/**
 * The driver, looked for once. JCuda's classes are touched only after libcuda is there: otherwise their first use throws an
 * UnsatisfiedLinkError and every later one a NoClassDefFoundError without the cause.
 */
public final class Driver {
    private static final String ARCHITECTURE = "amd64";

    /** PTX 7.0, in which the kernels are shipped, came with this version. */
    private static final int OLDEST = 11000;

    private static final Driver FOUND = probe();

    private final Libraries.Found libcuda;
    private final Libraries.Found cublas;
    private final String problem;
    private final int version;
    private final int devices;

    private Driver(Libraries.Found libcuda, Libraries.Found cublas, String problem, int version, int devices) {
        this.libcuda = libcuda;
        this.cublas = cublas;
        this.problem = problem;
        this.version = version;
        this.devices = devices;
    }

    /** What was found; never throws. */
    public static Driver get() {
        return FOUND;
    }

    /** Whether there is a device to open. */
    public boolean isUsable() {
        return problem == null;
    }

    /** Why there is none, with the remedy; null if there is. */
    public String problem() {
        return problem;
    }

    /** How many devices there are. */
    public int devices() {
        return devices;
    }

    /** Such as 12.4. */
    public String version() {
        return version / 1000 + "." + version % 1000 / 10;
    }

    /** What was looked for and what was found, in a line. */
    public String libraries() {
        return "libcuda: " + (libcuda.isThere() ? libcuda.path() : "not found") + "; cuBLAS: "
                + (cublas.isThere() ? cublas.path() : "neither 12 nor 13 was found, own kernels instead");
    }

    /** What was looked for, where, and what was found: a line for each library. */
    public List<String> search() {
        return List.of(libcuda.describe("libcuda"), cublas.describe("cuBLAS"));
    }

    Libraries.Found libcuda() {
        return libcuda;
    }

    Libraries.Found cublas() {
        return cublas;
    }

    boolean hasCublas() {
        return cublas.isThere();
    }

    String cublasPath() {
        return cublas.path();
    }

    /** The functions of the driver's library. */
    SymbolLookup symbols() {
        return Libraries.symbols(libcuda.path());
    }

    private static Driver probe() {
        Libraries.Found cublas = Libraries.find(
                "quern.cuda.cublas",
                List.of("libcublas.so.12", "libcublas.so.13"),
                "/usr/local/cuda/lib64",
                "/usr/local/cuda-12/lib64",
                "/usr/local/cuda-13/lib64",
                "/usr/lib/x86_64-linux-gnu");
        Libraries.Found libcuda = Libraries.find(
                "quern.cuda.driver",
                List.of("libcuda.so.1"),
                "/usr/lib/x86_64-linux-gnu",
                "/usr/lib64",
                "/usr/lib/wsl/lib",
                "/usr/local/nvidia/lib64");
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals(ARCHITECTURE)) {
            return broken(
                    libcuda,
                    cublas,
                    "CUDA needs Linux on x86-64; this is " + System.getProperty("os.name") + " on "
                            + System.getProperty("os.arch") + ". Use --device cpu");
        }
        if (!libcuda.isThere()) {
            return broken(
                    libcuda,
                    cublas,
                    "no NVIDIA driver: libcuda.so.1 was not found (looked at "
                            + String.join(", ", libcuda.looked())
                            + "). Install the driver of your card, or use --device cpu");
        }
        try {
            return start(libcuda, cublas);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | IOException | ClassNotFoundException e) {
            return broken(
                    libcuda,
                    cublas,
                    "the NVIDIA driver " + libcuda.path() + " could not be used: " + e
                            + ". Update the driver, or use --device cpu");
        }
    }

    private static Driver start(Libraries.Found libcuda, Libraries.Found cublas)
            throws IOException, ClassNotFoundException {
        Libraries.load(libcuda.path());
        loadNatives("jcuda.driver.JCudaDriver");
        JCudaDriver.setExceptionsEnabled(false);
        int started = JCudaDriver.cuInit(0);
        if (started != 0) {
            return broken(
                    libcuda,
                    cublas,
                    "the NVIDIA driver " + libcuda.path() + " answers " + Errors.name(started)
                            + (started == 100 ? ": there is no NVIDIA card that it can use" : "")
                            + ". Check nvidia-smi, or use --device cpu");
        }
        int[] version = new int[1];
        int[] count = new int[1];
        JCudaDriver.cuDriverGetVersion(version);
        JCudaDriver.cuDeviceGetCount(count);
        String problem = count[0] == 0
                ? "the NVIDIA driver sees no card (is CUDA_VISIBLE_DEVICES empty?). Use --device cpu"
                : version[0] < OLDEST
                        ? "the NVIDIA driver is for CUDA " + version[0] / 1000 + "." + version[0] % 1000 / 10
                                + "; at least 11.0 is needed. Update the driver (450 or newer), or use --device cpu"
                        : null;
        return new Driver(libcuda, cublas, problem, version[0], count[0]);
    }

    private static Driver broken(Libraries.Found libcuda, Libraries.Found cublas, String problem) {
        return new Driver(libcuda, cublas, problem, 0, 0);
    }

    static void loadNatives(String className) throws IOException, ClassNotFoundException {
        loadNatives(className, null, null);
    }

    /**
     * Initialises a class of JCuda's. Its loader puts a native library into java.io.tmpdir unless a file of that name lies
     * there already, and loads what it finds; so it is given a folder of our own, which is deleted once it is loaded.
     *
     * @param file the library, if it is to be another than the one in the jar
     */
    static void loadNatives(String className, String file, byte[] library) throws IOException, ClassNotFoundException {
        Path folder = Files.createTempDirectory(
                "quern-cuda-", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        String before = System.getProperty("java.io.tmpdir");
        System.setProperty("java.io.tmpdir", folder.toString());
        try {
            if (file != null) {
                Files.write(folder.resolve(file), library);
            }
            Class.forName(className, true, Driver.class.getClassLoader());
        } finally {
            System.setProperty("java.io.tmpdir", before);
            List<Path> left;
            try (Stream<Path> all = Files.list(folder)) {
                left = all.toList();
            }
            for (Path p : left) {
                Files.deleteIfExists(p);
            }
            Files.deleteIfExists(folder);
        }
    }

    /** Opens device {@code index}. */
    public CudaDevice open(int index) {
        if (problem != null) {
            throw new TensorException("device cuda" + (index == 0 ? "" : ":" + index) + " cannot be used: " + problem);
        }
        if (index >= devices) {
            throw new TensorException("device cuda:" + index + " does not exist; there "
                    + (devices == 1 ? "is only cuda:0" : "are cuda:0 to cuda:" + (devices - 1)));
        }
        return new CudaDevice(index, this);
    }
}
