package io.quern.cli;

import io.quern.tensor.TensorException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The other end of a {@link KernelFork}: names what it can measure, then measures a round of each row whose key it reads,
 * until its input ends.
 */
final class KernelWorker {
    /** Raised when the lines change. */
    static final int PROTOCOL = 2;

    private final KernelMeter meter;
    private final Map<String, KernelCases.Case> cases = new LinkedHashMap<>();
    private final Output output;

    KernelWorker(KernelMeter meter, List<KernelCases.Case> cases, Output output) {
        this.meter = meter;
        cases.forEach(c -> this.cases.put(c.key(), c));
        this.output = output;
    }

    void serve() throws IOException {
        Map<String, Object> hello = new LinkedHashMap<>();
        hello.put("quern_worker", PROTOCOL);
        hello.put("version", Version.text());
        hello.put("keys", cases.keySet());
        output.json(hello);
        BufferedReader in = new BufferedReader(new InputStreamReader(output.in(), StandardCharsets.UTF_8));
        for (String key = in.readLine(); key != null; key = in.readLine()) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("key", key);
            try {
                measure(key, line);
            } catch (TensorException e) {
                line.put("refused", e.getMessage());
            }
            output.json(line);
        }
    }

    private void measure(String key, Map<String, Object> line) {
        KernelCases.Case c = cases.get(key);
        if (c == null) {
            throw new TensorException("there is no row '" + key + "'");
        }
        KernelMeter.Round r = meter.round(c);
        line.put("median", r.median());
        line.put("quartile", r.quartile());
        line.put("least", r.least());
        if (r.pace() != null) {
            line.put("compute", r.pace().compute());
            line.put("memory", r.pace().memory());
        }
        line.put("flops", r.flops());
        line.put("bytes", r.bytes());
    }
}
