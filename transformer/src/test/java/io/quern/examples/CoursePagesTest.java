package io.quern.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The pages of the course say what the programs say, and what they name is there. */
class CoursePagesTest {
    private static final Pattern JAVA = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+)(#[^)]*)?\\)");
    private static final Pattern COMMAND = Pattern.compile("-Dexample=\"?(\\w+)");
    private static final int LARGEST_PICTURE = 60_000;

    private static final Path MODULE =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath();
    private static final Path COURSE = MODULE.getParent().resolve("docs/course");
    private static final Path SOURCES = MODULE.resolve("src/examples/java/io/quern/examples");

    private static List<Path> files(Path folder, String ending) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(f -> f.toString().endsWith(ending)).sorted().toList();
        }
    }

    /** Without indentation, which pages cut off. */
    private static String stripped(String code) {
        return code.lines().map(String::strip).collect(Collectors.joining("\n"));
    }

    @Test
    void quotedCodeIsThatOfThePrograms() throws IOException {
        StringBuilder programs = new StringBuilder();
        for (Path source : files(SOURCES, ".java")) {
            programs.append(stripped(Files.readString(source))).append('\n');
        }
        int quotes = 0;
        for (Path page : files(COURSE, ".md")) {
            for (MatchResult m : JAVA.matcher(Files.readString(page)).results().toList()) {
                String quote = stripped(m.group(1));
                assertTrue(
                        programs.indexOf(quote) >= 0, page.getFileName() + " quotes what is in no program:\n" + quote);
                quotes++;
            }
        }
        assertTrue(quotes >= files(COURSE, ".md").size() / 2, "only " + quotes + " quotations were found");
    }

    @Test
    void linksAndPicturesAreThere() throws IOException {
        for (Path page : files(COURSE, ".md")) {
            for (MatchResult m : LINK.matcher(Files.readString(page)).results().toList()) {
                Path target = page.resolveSibling(m.group(1));
                assertTrue(Files.exists(target), page.getFileName() + " links to " + m.group(1));
            }
        }
        for (Path picture : files(COURSE, ".png")) {
            assertTrue(Files.size(picture) < LARGEST_PICTURE, picture + " has " + Files.size(picture) + " bytes");
        }
    }

    /** Every program with a main method has its command on a page, and no page names another. */
    @Test
    void everyProgramHasItsCommand() throws IOException {
        TreeSet<String> programs = new TreeSet<>();
        for (Path source : files(SOURCES, ".java")) {
            if (Files.readString(source).contains("static void main(")) {
                programs.add(source.getFileName().toString().replace(".java", ""));
            }
        }
        TreeSet<String> named = new TreeSet<>();
        for (Path page : files(COURSE, ".md")) {
            COMMAND.matcher(Files.readString(page)).results().forEach(m -> named.add(m.group(1)));
        }
        assertEquals(programs, named);
    }
}
