package io.quern.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The last few checkpoints of a run, each whole in a folder of its own: {@code checkpoints/step-000000500}. A folder appears
 * when it is complete, and disappears at once when it is too old, wherever the process is killed.
 */
final class CheckpointHistory {
    private static final Pattern NAME = Pattern.compile("step-\\d{9,}");
    private static final Pattern LEFTOVER = Pattern.compile("\\.step-\\d{9,}\\.tmp");

    private final Path all;
    private final int keep;

    CheckpointHistory(Path run, int keep) {
        this.all = run.resolve(Trainer.HISTORY_FOLDER);
        this.keep = keep;
    }

    /** Makes the folder, and removes what a killed process left half made or half deleted. */
    void prepare() throws IOException {
        Files.createDirectories(all);
        for (Path p : matching(LEFTOVER)) {
            delete(p);
        }
    }

    /** Adds the model as it is now, with the state of the run that was saved to {@code state}. */
    void add(long step, CheckpointWriter writer, Path state) throws IOException {
        String name = "step-%09d".formatted(step);
        Path made = all.resolve("." + name + ".tmp");
        delete(made);
        Files.createDirectory(made);
        writer.write(made);
        linkOrCopy(state, made.resolve(Trainer.STATE_FILE));
        Path target = all.resolve(name);
        if (Files.exists(target)) {
            // Of the run before it was resumed; the same step has the same bits.
            delete(made);
        } else {
            Files.move(made, target, StandardCopyOption.ATOMIC_MOVE);
        }
        List<Path> present = matching(NAME);
        for (Path old : present.subList(0, Math.max(0, present.size() - keep))) {
            Path going = all.resolve("." + old.getFileName() + ".tmp");
            Files.move(old, going, StandardCopyOption.ATOMIC_MOVE);
            delete(going);
        }
    }

    /** The state file is replaced, never written to, so a second name for it costs no space. */
    private static void linkOrCopy(Path from, Path to) throws IOException {
        try {
            Files.createLink(to, from);
        } catch (UnsupportedOperationException | IOException e) {
            Files.copy(from, to);
        }
    }

    /** By rising step. */
    private List<Path> matching(Pattern pattern) throws IOException {
        try (Stream<Path> files = Files.list(all)) {
            return files.filter(p -> pattern.matcher(p.getFileName().toString()).matches())
                    .sorted(Comparator.comparing(
                                    (Path p) -> p.getFileName().toString().length())
                            .thenComparing(Comparator.naturalOrder()))
                    .toList();
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path p : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(p);
                }
            }
        }
    }
}
