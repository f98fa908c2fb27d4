package io.quern.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TableTest {
    @TempDir
    private Path dir;

    private Table read(String name, String text) throws IOException {
        return Table.read(Files.writeString(dir.resolve(name), text));
    }

    @Test
    void commaSeparatedValuesAreThoseOfRfc4180() throws IOException {
        Table t = read("a.csv", "\uFEFFlabel,text\r\nham,\"one, \"\"two\"\"\r\nthree\"\r\n\r\nspam,\r\n,\"\"");
        assertEquals(List.of("label", "text"), t.columns());
        assertEquals(List.of(List.of("ham", "one, \"two\"\r\nthree"), List.of("spam", ""), List.of("", "")), t.rows());
    }

    @Test
    void tabSeparatedValuesHaveNoQuotes() throws IOException {
        Table t = read("a.TSV", "label\ttext\n0\t\"half\n\n1\té, \n");
        assertEquals(List.of(List.of("0", "\"half"), List.of("1", "é, ")), t.rows());
    }

    @Test
    void jsonLinesMayOrderTheirKeysFreely() throws IOException {
        Table t = read("a.jsonl", "{\"text\": \"x\\ty\", \"label\": 3}\n\n{\"label\": true, \"text\": \"z\"}\n");
        assertEquals(List.of("text", "label"), t.columns());
        assertEquals(List.of(List.of("x\ty", "3"), List.of("z", "true")), t.rows());
    }

    @Test
    void labelsBecomeClasses() throws IOException {
        Table t = read("a.tsv", "split\tlabel\ttext\ntrain\tspam\ta\ntest\tham\tb\ntrain\tham\tc\n");
        LabelledTexts train = t.where("split", "train").texts("text", "label");
        assertEquals(List.of("a", "c"), train.texts());
        assertEquals(List.of("ham", "spam"), train.labels());
        assertArrayEquals(new int[] {1, 0}, train.classes());
        LabelledTexts test = t.where("split", "test").texts("text", "label", train.labels());
        assertArrayEquals(new int[] {0}, test.classes());
        String message = assertThrows(TensorException.class, () -> t.texts("text", "label", List.of("ham")))
                .getMessage();
        assertTrue(message.contains("row 1") && message.contains("'spam'"), message);
        assertTrue(assertThrows(TensorException.class, () -> t.texts("txt", "label"))
                .getMessage()
                .contains("[split, label, text]"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "a.csv; x,y|1,2|3,4,5; line 3: 3 values for the 2 columns",
                "a.csv; x,y|1,^2; line 2: a quoted value that never ends",
                "a.csv; x,y|1,^2^3; line 2: text after the closing quote",
                "a.csv; x,y|1,2^; line 2: a double quote inside",
                "a.csv; x,x|1,2; two columns have the same name",
                "a.csv; ''; is empty",
                "a.jsonl; {^a^: 1}|{^b^: 1}; line 2: the keys [b] are not",
                "a.jsonl; {^a^: 1}|[1]; line 2: not a JSON object",
                "a.jsonl; {^a^: 1}|{; line 2:",
                "a.txt; x; a .csv, .tsv or .jsonl file"
            })
    void whatDoesNotFitIsNamed(String name, String text, String expected) throws IOException {
        String message = assertThrows(
                        TensorException.class,
                        () -> read(name, text.replace('|', '\n').replace('^', '"')))
                .getMessage();
        assertTrue(message.contains(expected) && message.contains(name), message);
    }

    @Test
    void otherEncodingsAreRefused() throws IOException {
        Path latin = Files.write(dir.resolve("a.csv"), new byte[] {'x', '\n', (byte) 0xE9, '\n'});
        String message =
                assertThrows(TensorException.class, () -> Table.read(latin)).getMessage();
        assertTrue(message.contains("UTF-8"), message);
    }
}
