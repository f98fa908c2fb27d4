package io.quern.transformer.text;

import io.quern.tensor.file.FileErrors;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Reads {@code merges.txt}: two tokens with a space in between on each line, after a line with a version. */
final class MergesTxt {
    static final String VERSION_LINE = "#version: 0.2";

    private MergesTxt() {}

    static List<ByteBpe.Merge> read(String file, InputStream in) {
        List<ByteBpe.Merge> merges = new ArrayList<>();
        int number = 0;
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                number++;
                // A merge may begin with '#', so only the version line is a comment.
                if (!line.startsWith("#version") && !line.isEmpty()) {
                    merges.add(parse(line, file, "line", number));
                }
            }
        } catch (CharacterCodingException e) {
            throw new TokenizerException(file + ": not valid UTF-8 after line " + number, e);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
        if (number == 0) {
            throw new TokenizerException(file + ": the file is empty; expected \"" + VERSION_LINE + "\" and merges");
        }
        return merges;
    }

    /** @param unit with {@code number} says where in the file the merge is, for messages */
    static ByteBpe.Merge parse(String line, String file, String unit, int number) {
        int space = line.indexOf(' ');
        if (space <= 0 || space == line.length() - 1 || line.indexOf(' ', space + 1) >= 0) {
            throw new TokenizerException(file + ": " + unit + " " + number
                    + ": expected two tokens with one space in between, found " + Vocabulary.quote(line));
        }
        return new ByteBpe.Merge(line.substring(0, space), line.substring(space + 1));
    }
}
