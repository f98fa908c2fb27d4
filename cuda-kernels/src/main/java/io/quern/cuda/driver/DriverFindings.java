package io.quern.cuda.driver;

import io.quern.tensor.spi.Finding;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import jcuda.JCudaVersion;

/** What CUDA needs and what of it is on this machine, for people. */
public final class DriverFindings {
    private static final String CARD = "card";

    private DriverFindings() {}

    /** What was found; does not throw. */
    public static List<Finding> all() {
        Driver driver = Driver.get();
        List<Finding> all = new ArrayList<>();
        all.add(library("driver", driver.libcuda(), "install the NVIDIA driver of your card (450 or newer)"));
        all.add(
                driver.isUsable()
                        ? Finding.of("cuda", "the driver is for CUDA " + driver.version())
                        : Finding.missing("cuda", driver.problem(), null));
        all.add(jcuda(driver));
        all.add(library(
                "cublas",
                driver.cublas(),
                "own kernels multiply matrices until then; install it by: pip install nvidia-cublas-cu12 (or CUDA's"
                        + " toolkit), or name the file: -Dquern.cuda.cublas=FILE"));
        all.add(Finding.of("nvrtc", "not needed: the kernels come as PTX, which the driver compiles"));
        all.add(kernelCache(System.getenv(), Path.of(System.getProperty("user.home", "."))));
        for (int i = 0; driver.isUsable() && i < driver.devices(); i++) {
            all.add(card(driver, i));
        }
        return all;
    }

    private static Finding library(String what, Libraries.Found library, String remedy) {
        return library.isThere()
                ? Finding.of(what, library.path())
                : Finding.missing(what, "not found; looked at " + String.join(", ", library.looked()), remedy);
    }

    /** The Java half is of one CUDA version, and calls functions that older drivers may lack. */
    private static Finding jcuda(Driver driver) {
        String version = JCudaVersion.get();
        if (!driver.isUsable()) {
            return Finding.of("jcuda", version);
        }
        boolean older = number(driver.version()) < number(version);
        return Finding.of(
                "jcuda",
                version + (older ? ", newer than the driver, which has all functions that are called" : ", matches"));
    }

    /** The first two parts of a version as a number to compare: 12.6.0 is 1206. */
    static int number(String version) {
        String[] parts = version.split("\\.");
        return 100 * Integer.parseInt(parts[0]) + Integer.parseInt(parts[1]);
    }

    /** Where the driver keeps what it compiled. Source: CUDA C++ Programming Guide, "CUDA Environment Variables". */
    static Finding kernelCache(Map<String, String> environment, Path home) {
        if ("1".equals(environment.get("CUDA_CACHE_DISABLE"))) {
            return Finding.missing(
                    "kernel_cache",
                    "switched off by CUDA_CACHE_DISABLE=1: kernels are compiled anew in each process",
                    "unset CUDA_CACHE_DISABLE");
        }
        String named = environment.get("CUDA_CACHE_PATH");
        Path folder = named == null ? home.resolve(".nv/ComputeCache") : Path.of(named);
        return Finding.of("kernel_cache", folder + (Files.isDirectory(folder) ? "" : ", not there yet"));
    }

    private static Finding card(Driver driver, int index) {
        String what = CARD + (driver.devices() == 1 ? "" : "_" + index);
        try {
            return Finding.of(what, driver.open(index).description());
        } catch (RuntimeException e) {
            return Finding.missing(what, e.getMessage(), null);
        }
    }
}
