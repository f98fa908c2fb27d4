package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.vision.HeatMap;
import io.quern.vision.Image;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelDir;
import io.quern.vision.data.ImageFile;
import io.quern.vision.data.PngFile;
import io.quern.vision.model.Vit;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows what a vision transformer looks at. */
@Command(
        name = "attention",
        description = "Write a picture with a heat map over it of where a vision transformer takes its answer from, by"
                + " attention rollout.")
final class AttentionCommand implements Callable<Integer> {
    /** Pixels that the heat map's edge should have at least. */
    private static final int EDGE = 336;

    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "A folder of a vision transformer in Hugging Face layout, or org/name in the Hugging Face"
                    + " cache. Default: the embedded one for handwritten digits.")
    private String model;

    @Option(
            names = {"--out"},
            paramLabel = "FILE",
            required = true,
            description = "PNG file to write.")
    private Path out;

    @Parameters(arity = "1", paramLabel = "FILE", description = "PNG, JPEG, BMP, GIF or WebP file.")
    private Path input;

    private final Output output;

    AttentionCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        PngOutput.check("--out", out);
        Device device = deviceOptions.open(output, common.verbose);
        ImageModelDir dir = ImageModels.openTransformer(model);
        Image read = ImageFile.read(input);
        try (ImageModel loaded = dir.load()) {
            if (!(loaded instanceof Vit vit)) {
                throw new Errors.UsageException("attention: " + dir.name()
                        + " is no vision transformer; name one by --model, or train one: quern train vit");
            }
            loaded.moveTo(device);
            Image seen = dir.preprocessor().fit(read, dir.config().channels());
            Scope.run(() -> Tape.noGrad(() -> {
                Tensor pixels =
                        dir.preprocessor().apply(read, dir.config().channels()).to(device);
                show(vit, pixels, seen);
                return null;
            }));
        }
        return Main.OK;
    }

    private void show(Vit vit, Tensor pixels, Image seen) {
        float[] weights = vit.rollout(pixels);
        int best = vit.forward(pixels).argmax().toInts()[0];
        String label = vit.config().labels().get(best);
        int patch = vit.config().patchSize();
        int rows = pixels.dim(2) / patch;
        int columns = pixels.dim(3) / patch;
        int scale = Math.max(1, EDGE / Math.max(seen.width(), seen.height()));
        PngFile.write(out, HeatMap.over(seen, weights, rows, columns, scale));
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("input", input.toString());
            line.put("label", label);
            line.put("rows", rows);
            line.put("columns", columns);
            line.put("rollout", weights);
            output.json(line);
        } else {
            output.println("%s: %s; heat map in %s".formatted(input, label, out));
        }
    }
}
