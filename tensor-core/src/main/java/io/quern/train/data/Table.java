package io.quern.train.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Rows of text under named columns, for classification sets.
 *
 * @param columns their names
 * @param rows as many values each
 */
public record Table(List<String> columns, List<List<String>> rows) {
    private static final long MOST_BYTES = 1L << 30;
    private static final ObjectMapper JSON = new ObjectMapper();

    public Table {
        columns = List.copyOf(columns);
        for (List<String> row : rows) {
            if (row.size() != columns.size()) {
                throw new TensorException("a row has " + row.size() + " values for " + columns.size() + " columns");
            }
        }
    }

    /**
     * Reads a file in UTF-8 by the end of its name: {@code .csv} (RFC 4180: commas, values in double quotes if need be) and
     * {@code .tsv} (tabs, no quoting) have the columns' names in the first line; {@code .jsonl} has an object in every line,
     * all with the same keys.
     *
     * @throws TensorException if the file is of another kind, not UTF-8, or a row does not fit, naming its line
     */
    public static Table read(Path file) throws IOException {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".csv")) {
            return fromRecords(file, CsvRecords.read(file, text(file)));
        }
        if (name.endsWith(".tsv")) {
            return fromRecords(file, tabbed(text(file)));
        }
        if (name.endsWith(".jsonl")) {
            return fromObjects(file, text(file));
        }
        throw new TensorException(file + ": a table is a .csv, .tsv or .jsonl file");
    }

    private static String text(Path file) throws IOException {
        if (Files.size(file) > MOST_BYTES) {
            throw new TensorException(file + " has more than " + MOST_BYTES + " bytes, the most that a table may have");
        }
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(Files.readAllBytes(file)))
                    .toString();
            return text.startsWith("\uFEFF") ? text.substring(1) : text;
        } catch (CharacterCodingException e) {
            throw new TensorException(file + " is not UTF-8", e);
        }
    }

    /** A row and the line that it begins in. */
    record Line(int number, List<String> values) {}

    private static List<Line> tabbed(String text) {
        List<Line> lines = new ArrayList<>();
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            if (!line.isEmpty()) {
                lines.add(new Line(number, List.of(line.split("\t", -1))));
            }
        }
        return lines;
    }

    private static Table fromRecords(Path file, List<Line> records) {
        if (records.isEmpty()) {
            throw new TensorException(file + " is empty: the first line must name the columns");
        }
        List<String> columns = records.getFirst().values();
        if (Set.copyOf(columns).size() != columns.size()) {
            throw new TensorException(file + ": two columns have the same name in " + columns);
        }
        List<List<String>> rows = new ArrayList<>();
        for (Line r : records.subList(1, records.size())) {
            if (r.values().size() != columns.size()) {
                throw new TensorException(file + ", line " + r.number() + ": "
                        + r.values().size() + " values for the " + columns.size() + " columns " + columns);
            }
            rows.add(r.values());
        }
        return new Table(columns, rows);
    }

    private static Table fromObjects(Path file, String text) {
        Set<String> columns = new LinkedHashSet<>();
        List<List<String>> rows = new ArrayList<>();
        int number = 0;
        for (String line : text.lines().toList()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            JsonNode n = parse(file, number, line);
            List<String> keys = new ArrayList<>();
            List<String> values = new ArrayList<>();
            for (Map.Entry<String, JsonNode> e : n.properties()) {
                keys.add(e.getKey());
                values.add(
                        e.getValue().isValueNode()
                                ? e.getValue().asText()
                                : e.getValue().toString());
            }
            if (rows.isEmpty()) {
                columns.addAll(keys);
            }
            rows.add(ordered(file, number, List.copyOf(columns), keys, values));
        }
        return new Table(List.copyOf(columns), rows);
    }

    private static JsonNode parse(Path file, int number, String line) {
        try {
            JsonNode n = JSON.readTree(line);
            if (n.isObject()) {
                return n;
            }
            throw new TensorException(file + ", line " + number + ": not a JSON object");
        } catch (JsonProcessingException e) {
            throw new TensorException(file + ", line " + number + ": " + e.getOriginalMessage(), e);
        }
    }

    private static List<String> ordered(
            Path file, int number, List<String> columns, List<String> keys, List<String> values) {
        if (keys.size() != columns.size() || !keys.containsAll(columns)) {
            throw new TensorException(
                    file + ", line " + number + ": the keys " + keys + " are not those of the first line, " + columns);
        }
        return columns.stream().map(c -> values.get(keys.indexOf(c))).toList();
    }

    /** The rows that have this value in a column. */
    public Table where(String column, String value) {
        int at = index(column);
        return new Table(
                columns, rows.stream().filter(r -> r.get(at).equals(value)).toList());
    }

    /** The texts of one column, with the values of another as their classes, in alphabetical order. */
    public LabelledTexts texts(String text, String label) {
        int at = index(label);
        Set<String> labels = new TreeSet<>();
        rows.forEach(r -> labels.add(r.get(at)));
        return texts(text, label, List.copyOf(labels));
    }

    /**
     * The same with known labels, such as those of the set that a model was trained on.
     *
     * @throws TensorException if a row has another label
     */
    public LabelledTexts texts(String text, String label, List<String> labels) {
        int from = index(text);
        int at = index(label);
        List<String> texts = new ArrayList<>();
        int[] classes = new int[rows.size()];
        for (int i = 0; i < classes.length; i++) {
            texts.add(rows.get(i).get(from));
            classes[i] = labels.indexOf(rows.get(i).get(at));
            if (classes[i] < 0) {
                throw new TensorException(
                        "row " + (i + 1) + " has the label '" + rows.get(i).get(at) + "', which is none of " + labels);
            }
        }
        return new LabelledTexts(texts, classes, labels);
    }

    private int index(String column) {
        int at = columns.indexOf(column);
        if (at < 0) {
            throw new TensorException("there is no column '" + column + "'; the columns are " + columns);
        }
        return at;
    }
}
