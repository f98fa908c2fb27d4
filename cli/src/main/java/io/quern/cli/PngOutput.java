package io.quern.cli;

import java.nio.file.Path;
import java.util.Locale;

/** Pictures are written as PNG; under another ending they would mislead. */
final class PngOutput {
    private PngOutput() {}

    /** @param file null where the option was not given */
    static void check(String option, Path file) {
        String name = file == null || file.getFileName() == null
                ? ""
                : file.getFileName().toString();
        int dot = name.lastIndexOf('.');
        if (dot > 0 && !name.substring(dot).toLowerCase(Locale.ROOT).equals(".png")) {
            throw new Errors.UsageException(
                    option + ": pictures are written as PNG; name the file " + name.substring(0, dot) + ".png");
        }
    }
}
