package io.quern.transformer.embed;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.FileErrors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.tensor.file.Weights;
import io.quern.transformer.ConfigJson;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Passages with their vectors, searched by cosine. On disk a folder: {@code vectors.safetensors} ({@code vectors}, F32
 * [N, dimension], each of length 1), {@code passages.jsonl} in the same order, and {@code index.json}, which says of what
 * model the vectors are. The vectors stay where they are mapped; a search reads them all once.
 */
public final class EmbeddingIndex implements AutoCloseable {
    private static final String FORMAT = "quern-index/1";
    private static final String INDEX = "index.json";
    private static final String VECTORS = "vectors.safetensors";
    private static final String PASSAGES = "passages.jsonl";
    private static final String TENSOR = "vectors";
    private static final String BUILD = "build";

    private final String model;
    private final List<Passage> passages;

    /** [N, dimension] on the CPU. */
    private final Tensor vectors;

    private EmbeddingIndex(String model, List<Passage> passages, Tensor vectors) {
        this.model = model;
        this.passages = passages;
        this.vectors = vectors;
    }

    /**
     * A passage and how near it is.
     *
     * @param score the cosine of the vectors of passage and question, from -1 to 1
     */
    public record Hit(Passage passage, double score) {}

    /**
     * An index in memory.
     *
     * @param model what the vectors are of, to be told when the index is loaded
     * @param vectors of the passages, in the same order; of any lengths but 0
     * @throws TensorException if there are no passages, or a vector is missing, of another dimension, or not finite
     */
    public static EmbeddingIndex of(String model, List<Passage> passages, float[][] vectors) {
        if (passages.isEmpty() || passages.size() != vectors.length) {
            throw new TensorException("an index needs a vector for each passage, and one passage or more; got "
                    + passages.size() + " passages and " + vectors.length + " vectors");
        }
        int dimension = vectors[0].length;
        float[] rows = new float[Math.multiplyExact(vectors.length, dimension)];
        for (int i = 0; i < vectors.length; i++) {
            if (vectors[i].length != dimension) {
                throw new TensorException(
                        "vector " + i + " has " + vectors[i].length + " numbers, the first " + dimension);
            }
            System.arraycopy(unit(vectors[i], "vector " + i), 0, rows, i * dimension, dimension);
        }
        return new EmbeddingIndex(
                model,
                List.copyOf(passages),
                Tensor.of(rows, vectors.length, dimension).keep());
    }

    private static float[] unit(float[] v, String what) {
        double sum = 0;
        for (float x : v) {
            sum += (double) x * x;
        }
        if (!(sum > 0 && sum < Double.POSITIVE_INFINITY)) {
            throw new TensorException(what + " has no direction: its length is " + Math.sqrt(sum));
        }
        float[] u = new float[v.length];
        for (int i = 0; i < v.length; i++) {
            u[i] = (float) (v[i] / Math.sqrt(sum));
        }
        return u;
    }

    public String model() {
        return model;
    }

    public int size() {
        return passages.size();
    }

    public int dimension() {
        return vectors.dim(1);
    }

    public List<Passage> passages() {
        return passages;
    }

    /**
     * The passages nearest to a vector, the nearest first; of equally near ones the earlier.
     *
     * @param query of the dimension of the index, of any length but 0
     * @param top at most so many
     */
    public List<Hit> search(float[] query, int top) {
        if (query.length != dimension()) {
            throw new TensorException("the question has a vector of " + query.length + " numbers, the index of "
                    + dimension() + ": are they of the same model?");
        }
        float[] scores = Scope.run(() -> Tape.noGrad(() -> Tensor.of(unit(query, "the question"), 1, query.length)
                .matmul(vectors.transpose(0, 1))
                .toFloats()));
        int most = Math.min(top, scores.length);
        int[] best = new int[most]; // by falling score
        int found = 0;
        for (int i = 0; i < scores.length && most > 0; i++) {
            if (found == most && scores[best[most - 1]] >= scores[i]) {
                continue;
            }
            int at = found < most ? found++ : most - 1;
            while (at > 0 && scores[best[at - 1]] < scores[i]) {
                best[at] = best[at - 1];
                at--;
            }
            best[at] = i;
        }
        List<Hit> hits = new ArrayList<>();
        for (int i = 0; i < found; i++) {
            hits.add(new Hit(passages.get(best[i]), scores[best[i]]));
        }
        return hits;
    }

    /**
     * Writes the index into a folder, over an earlier one. {@code index.json} comes last and names the build that the
     * other files are of, so that a half-written index is not read.
     *
     * @throws TensorException if a file cannot be written
     */
    public void save(Path folder) {
        String build = UUID.randomUUID().toString();
        ObjectNode json = ConfigJson.object();
        json.put("format", FORMAT);
        json.put(BUILD, build);
        json.put("model", model);
        json.put("passages", passages.size());
        json.put("dimension", dimension());
        try {
            Files.createDirectories(folder);
            SafetensorsWriter.write(folder.resolve(VECTORS), Map.of(TENSOR, vectors), Map.of(BUILD, build), DType.F32);
            AtomicFile.write(folder.resolve(PASSAGES), lines(build));
            AtomicFile.write(folder.resolve(INDEX), ConfigJson.bytes(json));
        } catch (IOException e) {
            throw new TensorException(folder + ": the index cannot be saved: " + FileErrors.reason(e), e);
        }
    }

    private byte[] lines(String build) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (JsonGenerator json = new JsonFactory().createGenerator(out)) {
            json.setRootValueSeparator(new com.fasterxml.jackson.core.io.SerializedString("\n"));
            json.writeStartObject();
            json.writeStringField(BUILD, build);
            json.writeEndObject();
            for (Passage p : passages) {
                json.writeStartObject();
                json.writeStringField("source", p.source());
                json.writeNumberField("line", p.line());
                json.writeStringField("text", p.text());
                json.writeEndObject();
            }
        }
        out.write('\n');
        return out.toByteArray();
    }

    /**
     * Opens an index that was saved. The caller closes it.
     *
     * @throws TensorException if a file is missing, broken, or of another build than the others
     */
    public static EmbeddingIndex load(Path folder) {
        Path file = folder.resolve(INDEX);
        if (!Files.exists(file)) {
            throw new TensorException(folder + " has no " + INDEX + ": it is not an index of quern search");
        }
        ConfigJson json = ConfigJson.read(file);
        if (!json.string("format", "").equals(FORMAT)) {
            throw json.unexpected("format", FORMAT);
        }
        String build = json.string(BUILD, "");
        int count = json.integer("passages", 1, Integer.MAX_VALUE);
        int dimension = json.integer("dimension", 1, 1 << 24);
        List<Passage> passages = passages(folder.resolve(PASSAGES), build, count);
        WeightSource source = WeightSource.open(folder.resolve(VECTORS));
        try {
            WeightEntry entry = source.get(TENSOR);
            if (!build.equals(source.metadata().get(BUILD)) || !entry.shape().equals(Shape.of(count, dimension))) {
                throw otherBuild(folder.resolve(VECTORS));
            }
            if (!Weights.isMappable(entry, DType.F32)) {
                throw new TensorException(
                        entry.file() + ": the vectors are stored as " + entry.type() + ", expected F32");
            }
            return new EmbeddingIndex(
                    json.string("model", ""),
                    passages,
                    Weights.map(entry, source::close).keep());
        } catch (RuntimeException e) {
            source.close();
            throw e;
        }
    }

    private static List<Passage> passages(Path file, String build, int count) {
        List<Passage> passages = new ArrayList<>();
        try (BufferedReader in = Files.newBufferedReader(file)) {
            String first = in.readLine();
            if (first == null || !line(file, 1, first).string(BUILD, "").equals(build)) {
                throw otherBuild(file);
            }
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                ConfigJson json = line(file, passages.size() + 2, line);
                passages.add(new Passage(
                        json.string("source", ""),
                        json.integer("line", 0, Integer.MAX_VALUE, 0),
                        json.string("text", "")));
            }
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
        if (passages.size() != count) {
            throw new TensorException(
                    file + " has " + passages.size() + " passages, expected " + count + "; build the index again");
        }
        return List.copyOf(passages);
    }

    private static ConfigJson line(Path file, int number, String line) {
        return ConfigJson.parse(file + ", line " + number, line.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    private static TensorException otherBuild(Path file) {
        return new TensorException(
                file + " is not of the same build as " + INDEX + ": writing was cut short; build the index again");
    }

    @Override
    public void close() {
        vectors.close();
    }
}
