package io.quern.cuda;

import io.quern.tensor.Device;
import java.nio.file.Path;

/**
 * Checks and measures a card without Maven; {@code scripts/gpu-check.sh} runs its parts, each in a process of its own, so that
 * a fault in one, after which a card refuses all work, spares the others.
 *
 * <pre>
 * GpuCheck ops|models FILE          tests tagged gpu
 * GpuCheck wgmma FILE               tests tagged wgmma: kernels for Hopper alone, skipped on other cards
 * GpuCheck memory|gemm|attention FILE   measurements
 * GpuCheck tf32 FILE                the same products with -Dquern.cuda.tf32=true
 * GpuCheck report FILE              what is in the file, as tables
 * </pre>
 *
 * FILE gets a line of JSON for each result.
 */
public final class GpuCheck {
    private GpuCheck() {}

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[1]);
        GpuResults results = new GpuResults(file);
        String part = arguments[0];
        boolean ok = true;
        switch (part) {
            case "ops" -> ok = GpuTests.run(part, "gpu & !models", results);
            case "wgmma" -> ok = GpuTests.run(part, "wgmma", results);
            case "models" -> ok = GpuTests.run(part, "gpu & models", results);
            case "memory", "gemm", "tf32", "attention" -> {
                GpuBench bench = new GpuBench((CudaBackend) new Device("cuda", 0).backend(), part, results);
                switch (part) {
                    case "memory" -> bench.memory();
                    case "gemm", "tf32" -> bench.products();
                    default -> bench.attention();
                }
            }
            case "report" -> System.out.print(GpuReport.of(file));
            default -> throw new IllegalArgumentException("there is no part " + part);
        }
        System.exit(ok ? 0 : 1);
    }
}
