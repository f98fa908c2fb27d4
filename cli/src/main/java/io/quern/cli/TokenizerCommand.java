package io.quern.cli;

import io.quern.transformer.text.BpeTrainer;
import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Text to token ids and back, and the training of tokenizers. */
@Command(
        name = "tokenizer",
        description = "Encode and decode text, and train tokenizers.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {TokenizerCommand.Encode.class, TokenizerCommand.Decode.class, TokenizerCommand.Train.class})
final class TokenizerCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "tokenizer: a command is missing: encode, decode or train");
    }

    /** Text to ids. */
    @Command(name = "encode", description = "Print the token ids of a text.")
    static final class Encode implements Callable<Integer> {
        @Mixin
        private CommonOptions common;

        @Mixin
        private ModelOption model;

        @Mixin
        private TextOptions text;

        @Option(
                names = {"--no-special"},
                description = "Leave out the special tokens that the tokenizer puts around a text.")
        private boolean noSpecial;

        private final Output output;

        Encode(Output output) {
            this.output = output;
        }

        @Override
        public Integer call() throws IOException {
            Tokenizer tokenizer = model.tokenizer();
            int[] ids = tokenizer.encode(text.read(output), !noSpecial);
            if (common.json) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("ids", ids);
                line.put("tokens", tokenizer.tokens(ids));
                output.json(line);
            } else {
                output.println(TokenIds.join(ids));
            }
            return Main.OK;
        }
    }

    /** Ids to text. */
    @Command(name = "decode", description = "Print the text of token ids.")
    static final class Decode implements Callable<Integer> {
        @Mixin
        private CommonOptions common;

        @Mixin
        private ModelOption model;

        @Parameters(paramLabel = "ID", description = "Token ids, separated by commas or spaces. Default: from stdin.")
        private List<String> ids;

        @Option(
                names = {"--skip-special"},
                description = "Leave special tokens out.")
        private boolean skipSpecial;

        private final Output output;

        Decode(Output output) {
            this.output = output;
        }

        @Override
        public Integer call() throws IOException {
            Tokenizer tokenizer = model.tokenizer();
            String list = ids == null ? TextInput.stdin(output.in()) : String.join(" ", ids);
            int[] tokens = TokenIds.parse("ID", list);
            TokenIds.check(tokens, tokenizer.vocabSize());
            String text = tokenizer.decode(tokens, skipSpecial);
            if (common.json) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("ids", tokens);
                line.put("text", text);
                output.json(line);
            } else {
                output.println(text);
            }
            return Main.OK;
        }
    }

    /** Learns a byte-level BPE. */
    @Command(name = "train", description = "Train a byte-level BPE tokenizer, as GPT-2 has, on text files.")
    static final class Train implements Callable<Integer> {
        @Mixin
        private CommonOptions common;

        @Option(
                names = {"--data"},
                required = true,
                arity = "1..*",
                paramLabel = "FILE",
                description = "Text files in UTF-8.")
        private List<Path> data;

        @Option(
                names = {"--out"},
                required = true,
                paramLabel = "DIR",
                description = "Folder for tokenizer.json, vocab.json, merges.txt and tokenizer_config.json.")
        private Path out;

        @Option(
                names = {"--vocab-size"},
                paramLabel = "N",
                defaultValue = "4096",
                description = "Tokens in all: 256 bytes, special tokens, merges. Default: ${DEFAULT-VALUE}.")
        private int vocabSize;

        @Option(
                names = {"--min-frequency"},
                paramLabel = "N",
                defaultValue = "2",
                description = "How often a pair must occur to be merged. Default: ${DEFAULT-VALUE}.")
        private long minFrequency;

        @Option(
                names = {"--special"},
                paramLabel = "TOKEN",
                defaultValue = "<|endoftext|>",
                split = ",",
                description = "Special tokens, separated by commas. Default: ${DEFAULT-VALUE}.")
        private List<String> special;

        private final Output output;

        Train(Output output) {
            this.output = output;
        }

        @Override
        public Integer call() throws IOException {
            BpeTrainer trainer;
            try {
                trainer = BpeTrainer.builder()
                        .vocabSize(vocabSize)
                        .minFrequency(minFrequency)
                        .specialTokens(special.toArray(String[]::new))
                        .build();
            } catch (IllegalArgumentException e) {
                throw new Errors.UsageException(e.getMessage());
            }
            for (Path file : data) {
                if (!Files.exists(file)) {
                    throw new java.nio.file.NoSuchFileException(file.toString());
                }
                trainer.add(file);
            }
            Tokenizer tokenizer = trainer.train();
            tokenizer.save(out);
            if (common.json) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("out", out.toString());
                line.put("vocab_size", tokenizer.vocabSize());
                output.json(line);
            } else {
                output.println(out + ": " + tokenizer.vocabSize() + " tokens");
            }
            if (tokenizer.vocabSize() < vocabSize && !common.quiet) {
                output.note("fewer than --vocab-size " + vocabSize + ": no other pair occurs " + minFrequency
                        + " times or more");
            }
            return Main.OK;
        }
    }
}
