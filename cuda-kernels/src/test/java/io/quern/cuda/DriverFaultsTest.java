package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said where the driver or the card is missing or too old; each in a process of its own, which has one driver. */
class DriverFaultsTest {
    @TempDir
    private Path folder;

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** The other process: says why the device cannot be used. */
    static final class Attempt {
        private Attempt() {}

        public static void main(String[] arguments) {
            try (Tensor host = Tensor.of(new float[] {1, 2}, 2)) {
                try {
                    Scope.run(() -> host.to(new Device("cuda", 0)).scale(2).toFloats());
                    System.out.println("it works");
                } catch (TensorException e) {
                    System.out.println(e.getMessage());
                }
                System.out.println(
                        "and the CPU has " + Scope.run(() -> host.scale(3).toFloats())[1]);
            }
        }
    }

    private record Case(String variable, String value, String driver, String message) {}

    private static Process start(Case c) throws Exception {
        ProcessBuilder b = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-Dquern.cuda.driver=" + c.driver,
                        "-Dquern.cuda.cublas=/no/such/libcublas.so.12",
                        "-Dquern.cuda.table=off",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Attempt.class.getName())
                .redirectErrorStream(true);
        b.environment().put(c.variable, c.value);
        return b.start();
    }

    @Test
    void everyFaultIsSaidWithItsRemedyAndTheProcessGoesOn() throws Exception {
        String driver = System.getProperty("quern.cuda.driver");
        Path other = Files.writeString(folder.resolve("libcuda.so.1"), "not a library");
        List<Case> cases = List.of(
                new Case("QUERN_EMU_CARDS", "1", driver, "it works"),
                new Case(
                        "QUERN_EMU_CARDS",
                        "1",
                        "/no/such/libcuda.so.1",
                        "no NVIDIA driver: libcuda.so.1 was not found (looked at"
                                + " quern.cuda.driver=/no/such/libcuda.so.1). Install the driver of your card, or use"),
                new Case(
                        "QUERN_EMU_CARDS",
                        "1",
                        other.toString(),
                        "the NVIDIA driver " + other + " could not be used: "),
                new Case(
                        "QUERN_EMU_INIT",
                        "100",
                        driver,
                        " (100): there is no NVIDIA card that it can use. Check nvidia-smi"),
                new Case(
                        "QUERN_EMU_CARDS",
                        "0",
                        driver,
                        "the NVIDIA driver sees no card (is CUDA_VISIBLE_DEVICES empty?)"),
                new Case(
                        "QUERN_EMU_VERSION",
                        "10020",
                        driver,
                        "is for CUDA 10.2; at least 11.0 is needed. Update the driver (450 or newer), or use --device"
                                + " cpu"),
                new Case(
                        "QUERN_EMU_CAPABILITY",
                        "7",
                        driver,
                        "emulated device has compute capability 7.0; the kernels need 8.0 (Ampere) or newer. Use"
                                + " --device"),
                new Case(
                        "QUERN_EMU_PTX",
                        "222",
                        driver,
                        "loading the kernels of elementwise failed: CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222). The"
                                + " driver is too old for the kernels: update it, or use --device cpu"));
        Map<Case, Process> running = new LinkedHashMap<>();
        for (Case c : cases) {
            running.put(c, start(c));
        }
        List<String> wrong = new ArrayList<>();
        for (Map.Entry<Case, Process> e : running.entrySet()) {
            String output = new String(e.getValue().getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertEquals(0, e.getValue().waitFor(), output);
            if (!output.contains(e.getKey().message) || !output.contains("and the CPU has 6.0")) {
                wrong.add(e.getKey() + ": " + output);
            }
        }
        assertTrue(wrong.isEmpty(), String.join("\n", wrong));
    }
}
