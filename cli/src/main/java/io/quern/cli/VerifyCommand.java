package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.LogitAgreement;
import io.quern.tensor.check.Verification;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.text.Tokenizer;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelDir;
import io.quern.vision.data.ImageFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Compares two devices on a model. */
@Command(
        name = "verify",
        description = {
            "Run a model on two devices and compare every operation's result, layer by layer.",
            "Exit code 0 if they agree; 1 if not, naming the first layer beyond the tolerance of its type and depth."
        },
        sortOptions = false)
final class VerifyCommand implements Callable<Integer> {
    private static final String DEFAULT_PROMPT = "ROMEO: What light through yonder window breaks?";

    @Mixin
    private CommonOptions common;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description =
                    "A folder in Hugging Face layout of a GPT-2, BERT or image model, a .gguf file, or org/name in the"
                            + " Hugging Face cache. Default: the embedded model, trained on Shakespeare; with --image"
                            + " the embedded digit classifier.")
    private String model;

    @Mixin
    private DeviceOptions deviceOptions;

    @Option(
            names = {"--against"},
            paramLabel = "DEVICE",
            defaultValue = "reference",
            description = "The device that is right: cpu, cuda, or reference, the CPU's scalar kernels."
                    + " Default: ${DEFAULT-VALUE}.")
    private String against;

    @Mixin
    private WeightOptions weightOptions;

    @Option(
            names = {"-p", "--prompt"},
            paramLabel = "TEXT",
            description = "Text for a language model. Default: a line of Shakespeare.")
    private String prompt;

    @Option(
            names = {"--prompt-tokens"},
            paramLabel = "ID,ID,...",
            description = "The prompt as token ids.")
    private String promptTokens;

    @Option(
            names = {"-n", "--max-new-tokens"},
            paramLabel = "N",
            defaultValue = "4",
            description = "Tokens to decode from a cache after the prompt. Default: ${DEFAULT-VALUE}.")
    private int decode;

    @Option(
            names = {"--image"},
            paramLabel = "FILE",
            description = "A picture for an image model. Default, if --model names one: noise.")
    private Path image;

    @Option(
            names = {"--tolerance"},
            paramLabel = "X",
            description =
                    "Allowed relative error of every result. Default: that of its type and depth, see docs/verify.md.")
    private Double tolerance;

    private final Output output;

    VerifyCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        if (decode < 0) {
            throw new Errors.UsageException("--max-new-tokens must be 0 or more, not " + decode);
        }
        if (tolerance != null && !(tolerance >= 0)) {
            throw new Errors.UsageException("--tolerance must be 0 or more, not " + tolerance);
        }
        if (prompt != null && promptTokens != null) {
            throw new Errors.UsageException("--prompt and --prompt-tokens exclude each other");
        }
        Device tested = deviceOptions.open(output, common.verbose);
        Device right = Device.parse(against);
        right.backend();
        if (tested.equals(right)) {
            throw new Errors.UsageException("--device and --against are both " + right + "; name two");
        }
        try (VerifySubject subject = subject(tested, right)) {
            Verification v = new Verification(() -> parameters(subject), tolerance == null ? Double.NaN : tolerance);
            subject.model().moveTo(right);
            List<float[]> want = subject.run(right, v::record);
            subject.model().moveTo(tested);
            List<float[]> got = subject.run(tested, v::compare);
            LogitAgreement logits =
                    subject.classes() == 0 ? null : LogitAgreement.of(concat(want), concat(got), subject.classes());
            VerifyReport report = new VerifyReport(name(), tested, right, subject.input(), v, logits);
            if (common.json) {
                output.json(report.json());
            } else {
                report.text(common.verbose).forEach(output::println);
            }
            return report.ok() ? Main.OK : Main.FAILURE;
        }
    }

    private String name() {
        return model != null ? model : image != null ? ImageModels.EMBEDDED : Models.EMBEDDED;
    }

    private static Map<String, Tensor> parameters(VerifySubject subject) {
        Map<String, Tensor> all = new LinkedHashMap<>();
        subject.model().parameters().forEach((path, p) -> all.put(path, p.value()));
        return all;
    }

    private VerifySubject subject(Device tested, Device right) {
        Path folder = model == null ? null : EncoderDir.folder(model);
        if (folder == null ? image != null : ImageModelDir.isOne(folder)) {
            if (prompt != null || promptTokens != null) {
                throw new Errors.UsageException(name() + " is an image model and takes --image, no prompt");
            }
            return picture(ImageModels.open(model));
        }
        if (image != null) {
            throw new Errors.UsageException(name() + " is a language model and takes a prompt, not --image");
        }
        return folder != null && EncoderDir.isOne(folder) ? encoder(EncoderDir.open(folder)) : language(tested, right);
    }

    private int[] ids(Supplier<Tokenizer> tokenizer) {
        int[] ids = promptTokens != null
                ? TokenIds.parse("--prompt-tokens", promptTokens)
                : tokenizer.get().encode(prompt == null ? DEFAULT_PROMPT : TextInput.argument("--prompt", prompt));
        if (ids.length == 0) {
            throw new Errors.UsageException("the prompt is empty");
        }
        return ids;
    }

    private VerifySubject encoder(EncoderDir dir) {
        int[] ids = ids(dir::tokenizer);
        TokenIds.check(ids, dir.config().vocabSize());
        return new VerifyEncoder(
                dir.isClassifier()
                        ? dir.loadClassifier(Purpose.INFERENCE, DType.F32)
                        : dir.load(Purpose.INFERENCE, DType.F32),
                ids);
    }

    private VerifySubject language(Device tested, Device right) {
        ModelDir dir = Models.open(model);
        int[] ids = ids(dir::tokenizer);
        // Weights as both devices take them.
        Device loaded =
                !right.backend().hasQuantized() ? right : tested.backend().hasQuantized() ? Device.CPU : tested;
        CausalLanguageModel m = weightOptions.load(dir, loaded, output, common.verbose);
        try {
            TokenIds.check(ids, m.vocabSize());
            if (ids.length + decode > m.contextLength()) {
                throw new Errors.UsageException(ids.length + " tokens of prompt and " + decode
                        + " more exceed the model's context of " + m.contextLength());
            }
            return new VerifyLanguage(m, ids, decode);
        } catch (RuntimeException e) {
            m.close();
            throw e;
        }
    }

    private VerifySubject picture(ImageModelDir dir) {
        ImageModel m = dir.load();
        try {
            int channels = dir.config().channels();
            int size = dir.config().imageSize();
            Tensor pixels = Scope.tidy(() -> Tape.noGrad(() -> image == null
                    ? Tensor.randn(new Rng(1), 1, 1, channels, size, size)
                    : dir.preprocessor().apply(ImageFile.read(image), channels)));
            return new VerifyImage(m, pixels, image == null ? "a picture of noise" : image.toString());
        } catch (RuntimeException e) {
            m.close();
            throw e;
        }
    }

    private static float[] concat(List<float[]> parts) {
        List<float[]> all = new ArrayList<>(parts);
        float[] x = new float[all.stream().mapToInt(p -> p.length).sum()];
        int at = 0;
        for (float[] p : all) {
            System.arraycopy(p, 0, x, at, p.length);
            at += p.length;
        }
        return x;
    }
}
