package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.vision.AutoencoderDir;
import io.quern.vision.Image;
import io.quern.vision.PictureGrid;
import io.quern.vision.Preprocessor;
import io.quern.vision.ReconstructionError;
import io.quern.vision.data.AutoencoderBatches;
import io.quern.vision.data.Damage;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageFile;
import io.quern.vision.data.ImageFolder;
import io.quern.vision.data.ImageSplit;
import io.quern.vision.data.PngFile;
import io.quern.vision.model.Autoencoder;
import io.quern.vision.model.AutoencoderConfig;
import io.quern.vision.model.Pca;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows what an autoencoder makes of pictures. */
@Command(
        name = "reconstruct",
        description =
                "Write a grid of pictures and of what an autoencoder makes of them: in each band of up to ten, the"
                        + " pictures, what was done to them (noise, a hole, no colour) if anything, what comes out, and"
                        + " with --pca what as many principal components make of them.")
final class ReconstructCommand implements Callable<Integer> {
    private static final int MOST = 200;
    private static final int COLUMNS = 10;

    /** Pixels of the grid that a small picture's edge should have. */
    private static final int EDGE = 56;

    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "DIR",
            required = true,
            description = "Folder of an autoencoder that train autoencoder made.")
    private Path model;

    @Option(
            names = {"--out"},
            paramLabel = "FILE",
            required = true,
            description = "PNG file to write.")
    private Path out;

    @Option(
            names = {"--data"},
            paramLabel = "DIR",
            description = "Take pictures from the test part of a data set, as train has it.")
    private Path data;

    @Option(
            names = {"--count"},
            paramLabel = "N",
            defaultValue = "10",
            description = "How many of them, at most " + MOST + ". Default: ${DEFAULT-VALUE}.")
    private int count;

    @Option(
            names = {"--pca"},
            description = "Compare with as many principal components of the data set's training pictures as the model"
                    + " has codes.")
    private boolean pca;

    @Option(
            names = {"--codes"},
            paramLabel = "FILE",
            description = "Of a model with 2 codes: plot the codes of the data set's test pictures by class, with --pca"
                    + " beside the two principal components, as PNG.")
    private Path codes;

    @Option(
            names = {"--seed"},
            paramLabel = "N",
            defaultValue = "1",
            description = "Of noise and holes. Default: ${DEFAULT-VALUE}.")
    private long seed;

    @Parameters(
            arity = "0..*",
            paramLabel = "FILE",
            description = "PNG, JPEG, BMP, GIF or WebP files, or folders of them.")
    private List<Path> inputs = List.of();

    private final Output output;

    ReconstructCommand(Output output) {
        this.output = output;
    }

    private record Pictures(List<String> names, Tensor pixels) {}

    @Override
    public Integer call() throws IOException {
        check();
        PngOutput.check("--out", out);
        PngOutput.check("--codes", codes);
        Device device = deviceOptions.open(output, common.verbose);
        AutoencoderDir dir = AutoencoderDir.open(model);
        AutoencoderConfig config = dir.config();
        if (pca && !config.damage().equals(Damage.NONE)) {
            throw new Errors.UsageException("--pca: " + model + " is of kind "
                    + config.kind().label() + "; principal components only compare with codes of whole pictures");
        }
        if (codes != null && config.codes() != 2) {
            throw new Errors.UsageException(
                    "--codes plots 2 codes; " + model + " has " + config.codes() + ": train one with --codes 2");
        }
        ImageSplit split = data == null ? null : ImageSplit.read(data, config.imageSize(), config.imageChannels());
        if (split != null
                && (split.test().channels() != config.imageChannels()
                        || split.test().width() != config.imageSize())) {
            throw new TensorException(data + " has pictures of " + split.test().width() + " pixels and "
                    + split.test().channels() + " channels; " + model + " takes " + config.imageSize() + " and "
                    + config.imageChannels());
        }
        try (Autoencoder loaded = dir.load()) {
            loaded.moveTo(device);
            Scope.run(() -> Tape.noGrad(() -> {
                Pca components = pca ? components(dir, split) : null;
                write(loaded, pictures(dir, split), components, device);
                if (codes != null) {
                    CodePlot.write(codes, loaded, dir.preprocessor(), split.test(), components, device);
                }
                return null;
            }));
        }
        return Main.OK;
    }

    private void check() {
        if (inputs.isEmpty() == (data == null)) {
            throw new Errors.UsageException("reconstruct needs either FILEs or --data");
        }
        if (count < 1 || count > MOST) {
            throw new Errors.UsageException("--count must be 1 to " + MOST + ", not " + count);
        }
        if (data == null && (pca || codes != null)) {
            throw new Errors.UsageException("--pca and --codes need --data");
        }
    }

    private Pca components(AutoencoderDir dir, ImageSplit split) {
        ImageBatches all = ImageBatches.inOrder(split.train(), dir.preprocessor(), 1, Device.CPU);
        return ReconstructionError.components(all, dir.config().codes(), AutoencoderTraining.TEST_SEED);
    }

    private Pictures pictures(AutoencoderDir dir, ImageSplit split) {
        List<String> names = new ArrayList<>();
        if (split != null) {
            Tensor pixels = ImageBatches.inOrder(split.test(), dir.preprocessor(), 1, Device.CPU)
                    .first(count)
                    .pixels();
            for (int i = 0; i < pixels.dim(0); i++) {
                names.add("test picture " + i);
            }
            return new Pictures(names, pixels);
        }
        List<Tensor> each = new ArrayList<>();
        Preprocessor p = dir.preprocessor();
        for (Path file : files()) {
            names.add(file.toString());
            each.add(p.apply(ImageFile.read(file), dir.config().imageChannels()));
        }
        return new Pictures(names, Tensor.concat(0, each.toArray(Tensor[]::new)));
    }

    private List<Path> files() {
        List<Path> files = new ArrayList<>();
        for (Path p : inputs) {
            if (Files.isDirectory(p)) {
                files.addAll(ImageFolder.files(p));
            } else {
                files.add(p);
            }
        }
        if (files.isEmpty()) {
            throw new TensorException(
                    inputs.getFirst() + ": there are no PNG, JPEG, BMP, GIF or WebP files in this folder");
        }
        if (files.size() > MOST) {
            throw new TensorException(
                    "a grid has room for " + MOST + " pictures, not for " + files.size() + ": name fewer");
        }
        return files;
    }

    private void write(Autoencoder loaded, Pictures pictures, Pca components, Device device) {
        Damage damage = loaded.config().damage();
        Tensor whole = pictures.pixels();
        Tensor input = AutoencoderBatches.damaged(whole, damage, seed, 0);
        Tensor made = loaded.reconstruct(input.to(device)).to(Device.CPU);
        List<Tensor> shown = new ArrayList<>(List.of(whole));
        if (!damage.equals(Damage.NONE)) {
            shown.add(input);
        }
        shown.add(made);
        if (components != null) {
            Tensor rows = whole.reshape(whole.dim(0), -1);
            shown.add(components.decode(components.encode(rows)).reshape(whole.shape()));
        }
        PngFile.write(out, grid(shown));
        float[] errors = made.sub(whole).square().mean(1, 2, 3).toFloats();
        float[] before = input.sub(whole).square().mean(1, 2, 3).toFloats();
        for (int i = 0; i < errors.length; i++) {
            print(pictures.names().get(i), errors[i], damage.equals(Damage.NONE) ? null : before[i]);
        }
    }

    private void print(String name, float error, Float before) {
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("input", name);
            line.put("error", error);
            if (before != null) {
                line.put("error_before", before);
            }
            output.json(line);
        } else {
            output.println("%s: error %.5f".formatted(name, error)
                    + (before == null ? "" : ", %.5f before".formatted(before)));
        }
    }

    /** Bands of ten pictures, each with a row of every stage. */
    private static Image grid(List<Tensor> stages) {
        List<List<Image>> rows = new ArrayList<>();
        int n = stages.getFirst().dim(0);
        for (int first = 0; first < n; first += COLUMNS) {
            for (Tensor t : stages) {
                List<Image> row = new ArrayList<>();
                float[] values = t.toFloats();
                int each = values.length / n;
                for (int i = first; i < Math.min(n, first + COLUMNS); i++) {
                    row.add(Image.ofUnit(values, i * each, t.dim(3), t.dim(2), t.dim(1)));
                }
                rows.add(row);
            }
        }
        return PictureGrid.of(rows, Math.ceilDiv(EDGE, stages.getFirst().dim(3)));
    }
}
