import com.palantir.javaformat.java.Formatter;
import com.palantir.javaformat.java.FormatterException;
import com.palantir.javaformat.java.JavaFormatterOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Checks the format of all Java files, or mends it: {@code Format check|apply|off ROOT}. The build runs this on JDK 25,
 * because a formatter can only parse the language of the JVM that it runs on, and Maven's own may be older. Files that
 * were found well formatted are remembered by their hashes in {@code target/format-checked}.
 */
public final class Format {
    public static void main(String[] args) throws Exception {
        if (args[0].equals("off")) {
            return;
        }
        boolean apply = args[0].equals("apply");
        Path root = Path.of(args[1]);
        Path memory = root.resolve("target/format-checked");
        TreeSet<String> known = new TreeSet<>(Files.exists(memory) ? Files.readAllLines(memory) : List.of());
        TreeSet<String> checked = new TreeSet<>();
        List<Path> bad = new ArrayList<>();
        Formatter formatter = null;
        for (Path file : sources(root)) {
            String source = Files.readString(file);
            String hash = hash(source);
            if (!known.contains(hash)) {
                if (formatter == null) {
                    formatter = Formatter.createFormatter(JavaFormatterOptions.builder()
                            .style(JavaFormatterOptions.Style.PALANTIR)
                            .build());
                }
                String formatted = format(formatter, file, source);
                if (!formatted.equals(source)) {
                    bad.add(root.relativize(file));
                    if (!apply) {
                        continue;
                    }
                    Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
                    Files.writeString(temporary, formatted);
                    Files.move(temporary, file, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
                    hash = hash(formatted);
                }
            }
            checked.add(hash);
        }
        Files.createDirectories(memory.getParent());
        Files.write(memory, checked);
        if (apply) {
            bad.forEach(f -> System.out.println("formatted " + f));
        } else if (!bad.isEmpty()) {
            bad.forEach(f -> System.err.println("badly formatted: " + f));
            System.err.println("run: mvn -q -N validate -Dformat=apply");
            System.exit(1);
        }
    }

    private static String format(Formatter formatter, Path file, String source) {
        try {
            return formatter.formatSourceAndFixImports(source);
        } catch (FormatterException e) {
            throw new IllegalStateException(file + " cannot be parsed: " + e.getMessage(), e);
        }
    }

    private static List<Path> sources(Path root) throws IOException {
        try (Stream<Path> all = Files.walk(root)) {
            return all.filter(f -> f.toString().endsWith(".java"))
                    .filter(f -> root.relativize(f).toString().matches("(build|[a-z-]+/src)/.*"))
                    .sorted()
                    .toList();
        }
    }

    private static String hash(String text) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        return HexFormat.of().formatHex(digest, 0, 16);
    }
}
