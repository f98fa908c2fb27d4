package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** README and docs name commands, options, classes, properties and files that are there. */
class DocumentationTest {
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)\\s]+)\\)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ (.+)$");
    private static final Pattern COMMAND = Pattern.compile("(?:^|[`$ (|])(?:\\./)?quern ([^`#|]*)");
    private static final Pattern OPTION = Pattern.compile("(?<![-\\w])--?[a-zA-Z][-\\w]*");
    private static final Pattern BACKTICKS = Pattern.compile("`([^`\n]+)`");
    private static final Pattern TYPE = Pattern.compile("(?<![\\w:+-])[A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+");
    private static final Pattern PROPERTY = Pattern.compile("quern(?:\\.[a-z0-9]+)+");
    private static final Pattern CODE_NAME = Pattern.compile("\\b[A-Z][A-Za-z0-9]+\\b");

    /** Names of the JDK, PyTorch, transformers and others, which the docs compare with. */
    private static final Set<String> FOREIGN_TYPES = Set.of(
            "BertForSequenceClassification",
            "DeiTForImageClassification",
            "DeiTForImageClassificationWithTeacher",
            "ViTForImageClassification",
            "LinearLR",
            "StepLR",
            "ExponentialLR",
            "ReduceLROnPlateau",
            "RandAugment",
            "RecordingStream");

    private static Path root;
    private static Map<Path, String> pages;
    private static Set<String> sourceNames;
    private static String sources;

    @BeforeAll
    static void read() throws IOException {
        root = Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
        pages = new TreeMap<>();
        pages.put(root.resolve("README.md"), "");
        pages.put(root.resolve("CONTRIBUTING.md"), "");
        try (Stream<Path> docs = Files.walk(root.resolve("docs"))) {
            docs.filter(p -> p.toString().endsWith(".md")).forEach(p -> pages.put(p, ""));
        }
        for (Path p : pages.keySet()) {
            pages.put(p, Files.readString(p));
        }
        sourceNames = new HashSet<>();
        StringBuilder all = new StringBuilder(Files.readString(root.resolve("quern")));
        for (String module : List.of("tensor-core", "cuda-kernels", "transformer", "vision", "cli")) {
            try (Stream<Path> files = Files.walk(root.resolve(module).resolve("src"))) {
                for (Path f : files.filter(p -> p.toString().endsWith(".java")).toList()) {
                    String text = Files.readString(f);
                    all.append(text);
                    CODE_NAME.matcher(text).results().map(MatchResult::group).forEach(sourceNames::add);
                }
            }
        }
        try (Stream<Path> scripts = Files.list(root.resolve("scripts"))) {
            for (Path f : scripts.filter(Files::isRegularFile).toList()) {
                all.append(Files.readString(f));
            }
        }
        sources = all.toString();
    }

    private static String name(Path page) {
        return root.relativize(page).toString();
    }

    @Test
    void linksLeadToFilesAndHeadings() {
        TreeSet<String> broken = new TreeSet<>();
        pages.forEach((page, text) -> LINK.matcher(text).results().forEach(m -> {
            String link = m.group(1);
            if (link.contains("://")) {
                return;
            }
            int hash = link.indexOf('#');
            String file = hash < 0 ? link : link.substring(0, hash);
            Path target = file.isEmpty() ? page : page.resolveSibling(file).normalize();
            if (!Files.exists(target)) {
                broken.add(name(page) + ": " + link);
            } else if (hash >= 0 && pages.containsKey(target)) {
                String anchor = link.substring(hash + 1);
                if (anchors(pages.get(target)).noneMatch(anchor::equals)) {
                    broken.add(name(page) + ": " + link + " (no such heading)");
                }
            }
        }));
        assertEquals(Set.of(), broken);
    }

    /** As GitHub makes them. */
    private static Stream<String> anchors(String text) {
        return HEADING.matcher(text)
                .results()
                .map(m -> m.group(1)
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\w\\- ]", "")
                        .replace(' ', '-'));
    }

    @Test
    void commandLinesNameCommandsAndTheirOptions() {
        Output output =
                new Output(new ByteArrayInputStream(new byte[0]), OutputStream.nullOutputStream(), System.err, false);
        CommandLine quern = Main.commandLine(output, "");
        TreeSet<String> wrong = new TreeSet<>();
        int checked = 0;
        for (Map.Entry<Path, String> page : pages.entrySet()) {
            String joined = page.getValue().replaceAll("\\\\\n\\s*", "");
            for (String line : joined.split("\n")) {
                for (MatchResult m : COMMAND.matcher(line).results().toList()) {
                    String problem = problem(quern, m.group(1));
                    checked++;
                    if (problem != null) {
                        wrong.add(name(page.getKey()) + ": quern " + m.group(1).strip() + ": " + problem);
                    }
                }
            }
        }
        assertTrue(checked > 100, "only " + checked + " command lines were found");
        assertEquals(Set.of(), wrong);
    }

    private static String problem(CommandLine quern, String arguments) {
        String[] words = arguments.strip().split("\\s+");
        CommandLine at = quern;
        int i = 0;
        while (i < words.length && at.getSubcommands().containsKey(words[i].split("\\\\?[|]")[0])) {
            at = at.getSubcommands().get(words[i].split("\\\\?[|]")[0]);
            i++;
        }
        if (i == 0) {
            // Prose, as in "the launcher quern looks ...": commands are in code, and begin with a name or an option.
            return null;
        }
        List<String> unknown = new ArrayList<>();
        CommandLine training = null;
        for (; i < words.length; i++) {
            if (words[i].equals("--")) {
                training = quern.getSubcommands().get("train").getSubcommands().get(words[++i]);
                continue;
            }
            for (MatchResult m :
                    OPTION.matcher(words[i].replaceAll("[\"'].*", "")).results().toList()) {
                CommandLine command = training == null ? at : training;
                if (m.start() == 0 && !command.getCommandSpec().optionsMap().containsKey(m.group())) {
                    unknown.add(m.group());
                }
            }
        }
        return unknown.isEmpty() ? null : "no such option " + unknown;
    }

    @Test
    void optionsInTheTextBelongToSomeCommand() {
        Output output =
                new Output(new ByteArrayInputStream(new byte[0]), OutputStream.nullOutputStream(), System.err, false);
        Set<String> known = new HashSet<>();
        collect(Main.commandLine(output, ""), known);
        TreeSet<String> unknown = new TreeSet<>();
        pages.forEach((page, text) -> BACKTICKS.matcher(text).results().forEach(m -> {
            String code = m.group(1);
            String option = code.split("[ =\\[]")[0];
            // Others are those of java and of our scripts.
            if (option.startsWith("--") && !known.contains(option) && !sources.contains(option)) {
                unknown.add(name(page) + ": " + code);
            }
        }));
        assertEquals(Set.of(), unknown);
    }

    private static void collect(CommandLine line, Set<String> options) {
        options.addAll(line.getCommandSpec().optionsMap().keySet());
        line.getSubcommands().values().forEach(c -> collect(c, options));
    }

    @Test
    void typesAndPropertiesAreInTheSources() {
        TreeSet<String> missing = new TreeSet<>();
        pages.forEach((page, text) -> {
            BACKTICKS
                    .matcher(text)
                    .results()
                    .map(m -> m.group(1))
                    .forEach(code -> TYPE.matcher(code)
                            .results()
                            .map(MatchResult::group)
                            .filter(t -> !sourceNames.contains(t) && !FOREIGN_TYPES.contains(t))
                            .forEach(t -> missing.add(name(page) + ": " + t)));
            PROPERTY.matcher(text)
                    .results()
                    .map(MatchResult::group)
                    .filter(p -> !sources.contains(p))
                    .forEach(p -> missing.add(name(page) + ": " + p));
        });
        assertEquals(Set.of(), missing.stream().collect(Collectors.toSet()));
    }
}
