package io.quern.train.data;

import io.quern.tensor.TensorException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads comma-separated values as RFC 4180 has them: a value in double quotes may have commas, line ends and "" for ". */
final class CsvRecords {
    private final Path file;
    private final String text;
    private int at;
    private int line = 1;

    private CsvRecords(Path file, String text) {
        this.file = file;
        this.text = text;
    }

    static List<Table.Line> read(Path file, String text) {
        CsvRecords reader = new CsvRecords(file, text);
        List<Table.Line> records = new ArrayList<>();
        while (reader.at < text.length()) {
            int number = reader.line;
            List<String> values = reader.record();
            if (values.size() > 1 || !values.getFirst().isEmpty()) {
                records.add(new Table.Line(number, values));
            }
        }
        return records;
    }

    private List<String> record() {
        List<String> values = new ArrayList<>();
        while (true) {
            values.add(at < text.length() && text.charAt(at) == '"' ? quoted() : plain());
            if (at == text.length()) {
                return values;
            }
            char end = text.charAt(at++);
            if (end == '\r' && at < text.length() && text.charAt(at) == '\n') {
                at++;
            }
            if (end != ',') {
                line++;
                return values;
            }
        }
    }

    private String plain() {
        int from = at;
        while (at < text.length() && !isEnd(text.charAt(at))) {
            if (text.charAt(at) == '"') {
                throw new TensorException(file + ", line " + line
                        + ": a double quote inside a value that does not begin with one; put the value in quotes");
            }
            at++;
        }
        return text.substring(from, at);
    }

    private String quoted() {
        int began = line;
        StringBuilder value = new StringBuilder();
        at++;
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == '\n') {
                line++;
            }
            if (c != '"') {
                value.append(c);
            } else if (at < text.length() && text.charAt(at) == '"') {
                value.append('"');
                at++;
            } else if (at == text.length() || isEnd(text.charAt(at))) {
                return value.toString();
            } else {
                throw new TensorException(file + ", line " + line + ": text after the closing quote of a value");
            }
        }
        throw new TensorException(file + ", line " + began + ": a quoted value that never ends");
    }

    private static boolean isEnd(char c) {
        return c == ',' || c == '\n' || c == '\r';
    }
}
