package io.quern.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.quern.tensor.file.AtomicFile;
import io.quern.train.TrainResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a training run was made from and came to: {@code run.json}. */
record RunRecord(Map<String, Object> settings) {
    static RunRecord of(
            TrainGptOptions o, TrainShared shared, int trainTokens, int validationTokens, long steps, String device)
            throws IOException {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("quern", Version.text());
        m.put("java", Runtime.version().toString());
        m.put("device", device);
        m.put("data", hashes(o.data));
        m.put("train_tokens", trainTokens);
        m.put("validation_tokens", validationTokens);
        m.put("steps", steps);
        m.put("batch", o.batch);
        m.put("accumulate", o.accumulate);
        m.put("optimizer", o.optimizer.name());
        m.put("momentum", o.momentum);
        m.put("schedule", shared.schedule.name());
        m.put("lr", o.lr);
        m.put("min_lr", o.minLr());
        m.put("warmup", o.warmup);
        m.put("weight_decay", o.weightDecay);
        m.put("beta2", o.beta2);
        m.put("clip", o.clip);
        m.put("dropout", o.dropout);
        m.put("seed", o.seed);
        return new RunRecord(m);
    }

    private static Map<String, String> hashes(List<Path> files) throws IOException {
        Map<String, String> m = new LinkedHashMap<>();
        for (Path f : files) {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(f));
                m.put(f.getFileName().toString(), "sha256:" + HexFormat.of().formatHex(digest));
            } catch (NoSuchAlgorithmException e) {
                throw new AssertionError(e);
            }
        }
        return m;
    }

    /** The settings and how the run ended. */
    Map<String, Object> with(TrainResult r) {
        Map<String, Object> m = new LinkedHashMap<>(settings);
        m.put("step", r.step());
        m.put("train_loss", finite(r.loss()));
        m.put("val_loss", finite(r.bestLoss()));
        m.put("val_step", r.bestStep());
        m.put("stopped", r.stopped());
        m.put("seconds", r.seconds());
        return m;
    }

    private static Double finite(double x) {
        return Double.isFinite(x) ? x : null;
    }

    void write(Path file, TrainResult result) throws IOException {
        ObjectMapper json = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        AtomicFile.write(file, json.writeValueAsBytes(with(result)));
    }
}
