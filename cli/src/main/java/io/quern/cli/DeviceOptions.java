package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.spi.Tunable;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Where to run. */
final class DeviceOptions {
    @Option(
            names = {"--device"},
            paramLabel = "DEVICE",
            description = "auto, cpu, cuda or cuda:N. Default: auto, the CPU.")
    private String device = "auto";

    @Option(
            names = {"--threads"},
            paramLabel = "N",
            description = "Threads for CPU kernels. Default: all processors.")
    private Integer threads;

    @Option(
            names = {"--gemm"},
            paramLabel = "WHICH",
            description =
                    "What does matrix products on a cuda device: cublas, own, own:NAME for one kernel, or auto, the"
                            + " fastest by the table that bench kernels --save writes. Default: auto.")
    private String gemm;

    /** The device asked for; {@code auto} says which it took. */
    Device open(Output output, boolean verbose) {
        return open(output, verbose, verbose);
    }

    /**
     * The same, saying more or less.
     *
     * @param told whether to say what was opened
     * @param verbose whether to say at the end what memory was taken
     */
    Device open(Output output, boolean told, boolean verbose) {
        if (threads != null) {
            if (threads < 1) {
                throw new Errors.UsageException("--threads must be 1 or more, not " + threads);
            }
            // The worker pool reads this when it starts, at the first use of the device.
            System.setProperty("quern.threads", Integer.toString(threads));
        }
        Device chosen = device.equals("auto") ? Device.CPU : Device.parse(device);
        if (gemm != null && !gemm.matches("auto|cublas|own|own:.+")) {
            throw new Errors.UsageException("--gemm is auto, cublas, own or own:NAME, not '" + gemm + "'");
        }
        if (chosen.backend() instanceof Tunable tunable) {
            // Without the option too: an earlier command of this process may have had it.
            tunable.choose(gemm);
        } else if (gemm != null) {
            throw new Errors.UsageException(
                    "--gemm is for devices with several kernels for a product, such as cuda, not for " + chosen);
        }
        String description = chosen.backend().description();
        if (told) {
            output.note("device: " + chosen + (device.equals("auto") ? " (auto)" : "") + ", " + description);
        }
        if (verbose) {
            output.atEnd(() -> output.note("memory on " + chosen + ": " + MemoryReport.line(chosen)));
        }
        return chosen;
    }

    /** The same as arguments, for another process. */
    List<String> arguments() {
        List<String> all = new ArrayList<>(List.of("--device", device));
        if (threads != null) {
            all.addAll(List.of("--threads", Integer.toString(threads)));
        }
        if (gemm != null) {
            all.addAll(List.of("--gemm", gemm));
        }
        return all;
    }

    /** The threads that CPU kernels run on, once the device is open. */
    int threads() {
        String asked = System.getProperty("quern.threads", System.getenv("QUERN_THREADS"));
        return asked == null ? Runtime.getRuntime().availableProcessors() : Integer.parseInt(asked.strip());
    }
}
