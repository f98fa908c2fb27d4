package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** JCuda, which asks for cuBLAS 12, calls cuBLAS 13; in a process of its own, since a process loads JCuda once. */
class Cublas13Test {
    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** The other process: a product that only cuBLAS may do. */
    static final class Product {
        private Product() {}

        public static void main(String[] arguments) {
            Device cuda = new Device("cuda", 0);
            float[] y = Scope.run(() -> {
                Tensor a = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2).to(cuda);
                return a.matmul(a).toFloats();
            });
            System.out.println(Arrays.toString(y) + " " + cuda.backend().description());
        }
    }

    @Test
    void productsRunOnCublas13() throws Exception {
        Path driver = Path.of(System.getProperty("quern.cuda.driver"));
        Path cublas = driver.resolveSibling("libcublas.so.13");
        Process p = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:TieredStopAtLevel=1",
                        "-Dquern.cuda.driver=" + driver,
                        "-Dquern.cuda.cublas=" + cublas,
                        "-Dquern.cuda.gemm=cublas",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Product.class.getName())
                .redirectErrorStream(true)
                .start();
        String output = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, p.waitFor(), output);
        assertTrue(output.contains("[7.0, 10.0, 15.0, 22.0]"), output);
        assertTrue(output.contains("cuBLAS: " + cublas), output);
    }
}
