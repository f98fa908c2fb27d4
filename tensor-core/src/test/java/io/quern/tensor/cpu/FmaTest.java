package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.HotSpotDiagnosticMXBean;
import io.quern.tensor.Device;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class FmaTest {
    @Test
    void agreesWithTheVirtualMachine() {
        HotSpotDiagnosticMXBean vm = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        assertEquals(Boolean.parseBoolean(vm.getVMOption("UseFMA").getValue()), Fma.inHardware());
    }

    @Test
    void aJavaRunWithoutFusedMultiplyAddsGetsScalarKernelsAndSaysSo() throws Exception {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        Process run = new ProcessBuilder(
                        java,
                        "-XX:-UseFMA",
                        "--add-modules",
                        "jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Report.class.getName())
                .redirectErrorStream(true)
                .start();
        String text = new String(run.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, run.waitFor(), text);
        assertTrue(text.contains("WARNING: this processor or Java run has no fused multiply-add instructions"), text);
        assertTrue(text.contains("[scalar kernels: this processor or Java run has no fused"), text);
    }

    /** What the other run executes. */
    static final class Report {
        public static void main(String[] args) {
            System.out.println("[" + Device.CPU.backend().description() + "]");
        }
    }
}
