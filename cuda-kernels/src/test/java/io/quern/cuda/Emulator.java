package io.quern.cuda;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/**
 * The device that tests run on. Usually the emulated one: a libcuda and a libcublas built by g++ from the kernels' own
 * sources, which JCuda loads like NVIDIA's. Built once, and again when a source changes. Tests that need it are skipped where
 * it cannot be built. A build elsewhere is taken if the property {@code quern.cuda.driver} names it, and the property
 * {@code quern.cuda.card} runs the tests on a card instead. Tests of other modules may use it too: {@link #require()} first.
 */
public final class Emulator {
    private static final boolean CARD = Boolean.getBoolean("quern.cuda.card");

    private static String missing = "not started";
    private static Path folder;

    static {
        start();
    }

    private Emulator() {}

    /** Whether tests run on a card, which has no schedules to choose and no room to waste. */
    static boolean isCard() {
        return CARD;
    }

    /** Skips the calling test, saying why, unless the emulated device is there; {@code new Device("cuda", 0)} is it then. */
    public static void require() {
        if (missing != null) {
            System.out.println("emulated CUDA device: skipped, " + missing);
        }
        Assumptions.assumeTrue(missing == null, () -> "no emulated device: " + missing);
    }

    /** Skips the calling test unless the emulated device was built here, so that its kernels can be replaced. */
    static void requireBuild() {
        require();
        Assumptions.assumeTrue(folder != null, "no emulated device that was built from sources here");
    }

    /** Where its libraries are, or null if it was not built here. */
    static Path folder() {
        return folder;
    }

    private static void start() {
        if (CARD || System.getProperty("quern.cuda.driver") != null) {
            missing = null;
            return;
        }
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            missing = "it needs Linux on x86-64";
            return;
        }
        try {
            folder = EmulatorBuild.build();
            System.setProperty(
                    "quern.cuda.driver", folder.resolve("libcuda.so.1").toString());
            System.setProperty(
                    "quern.cuda.cublas", folder.resolve("libcublas.so.12").toString());
            // Every buffer ends at a page without access, and threads take several elements as in large tensors.
            setUnlessSet("quern.cuda.pool", "off");
            setUnlessSet("quern.cuda.blocks", "3");
            // Tests neither read nor write the user's table of kernels.
            setUnlessSet("quern.cuda.table", "off");
            missing = null;
        } catch (EmulatorBuild.NoCompilerException e) {
            missing = "g++ 12 or newer is needed: " + e.getMessage();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void setUnlessSet(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
