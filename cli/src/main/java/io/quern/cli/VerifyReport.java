package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.check.Difference;
import io.quern.tensor.check.LogitAgreement;
import io.quern.tensor.check.Verification;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What {@code verify} found.
 *
 * @param logits null if the model has none
 */
record VerifyReport(String model, Device tested, Device right, String input, Verification run, LogitAgreement logits) {

    boolean ok() {
        return run.first().isEmpty() && (logits == null || logits.sameChoices() && Double.isFinite(logits.maxKl()));
    }

    /** The worst result, by what it was allowed, of every block, in order. */
    private Map<String, Difference> byBlock() {
        Map<String, Difference> worst = new LinkedHashMap<>();
        for (Difference d : run.differences()) {
            worst.merge(block(d.layer()), d, (a, b) -> share(b) > share(a) ? b : a);
        }
        return worst;
    }

    private static double share(Difference d) {
        double error = Math.max(d.relativeError(), d.rmsError());
        return error == 0 ? 0 : error / d.allowed();
    }

    /** {@code transformer.h.3} of {@code after transformer.h.3.mlp.c_fc}. */
    private static String block(String layer) {
        String path = layer.startsWith("after ") ? layer.substring(6) : layer;
        String[] parts = path.split("\\.");
        for (int i = parts.length - 1; i >= 0; i--) {
            if (parts[i].chars().allMatch(Character::isDigit)) {
                return String.join(".", Arrays.copyOf(parts, i + 1));
            }
        }
        return path;
    }

    List<String> text(boolean every) {
        List<String> lines = new ArrayList<>();
        lines.add(model + ", " + input + ": " + tested + " (" + tested.backend().description() + ") against " + right
                + " (" + right.backend().description() + ")");
        lines.add(format("%-44s %10s %10s %10s %10s", "", "max error", "relative", "rms", "allowed"));
        if (every) {
            run.differences().forEach(d -> lines.add(row(d.pass() + ", " + d.name(), d)));
        } else {
            byBlock().forEach((block, d) -> lines.add(row(block, d)));
        }
        Difference worst = run.differences().stream()
                .max(Comparator.comparingDouble(VerifyReport::share))
                .orElseThrow();
        lines.add(format(
                "%d results compared; nearest to its limit, with %.1f %%, is %s in pass '%s'",
                run.differences().size(), 100 * share(worst), worst.name(), worst.pass()));
        if (logits != null) {
            lines.add(format(
                    "logits: KL divergence %.2g mean, %.2g at most; the likeliest agrees at %d of %d positions%s",
                    logits.meanKl(),
                    logits.maxKl(),
                    logits.agreeing(),
                    logits.positions(),
                    logits.ties() == 0 ? "" : ", and " + logits.ties() + " are ties"));
            if (logits.firstOther() >= 0) {
                lines.add("another choice first at position " + logits.firstOther());
            }
        }
        run.first().ifPresent(d -> {
            lines.add(format(
                    "first beyond its tolerance: %s %s in pass '%s', operation %d: element %d is %s instead of %s",
                    d.name(), d.shape(), d.pass(), d.index(), d.worst(), d.got(), d.want()));
            lines.add(run.diagnosis());
        });
        lines.add(ok() ? "the devices agree" : "the devices disagree");
        return lines;
    }

    private static String row(String name, Difference d) {
        return format(
                "%-44s %10.2g %10.2g %10.2g %10.2g%s",
                name, d.maxError(), d.relativeError(), d.rmsError(), d.allowed(), d.ok() ? "" : "  beyond");
    }

    private static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }

    Map<String, Object> json() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("ok", ok());
        m.put("model", model);
        m.put("input", input);
        m.put("device", tested.toString());
        m.put("device_description", tested.backend().description());
        m.put("against", right.toString());
        m.put("against_description", right.backend().description());
        m.put("first", run.first().map(VerifyReport::json).orElse(null));
        m.put("diagnosis", run.diagnosis());
        if (logits != null) {
            Map<String, Object> l = new LinkedHashMap<>();
            l.put("positions", logits.positions());
            l.put("agreeing", logits.agreeing());
            l.put("ties", logits.ties());
            l.put("kl_mean", finite(logits.meanKl()));
            l.put("kl_max", finite(logits.maxKl()));
            m.put("logits", l);
        }
        m.put("results", run.differences().stream().map(VerifyReport::json).toList());
        return m;
    }

    private static Map<String, Object> json(Difference d) {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("pass", d.pass());
        m.put("index", d.index());
        m.put("layer", d.layer());
        m.put("op", d.op());
        m.put("shape", d.shape().toString());
        m.put("dtype", d.dtype().name());
        m.put("max_error", finite(d.maxError()));
        m.put("relative_error", finite(d.relativeError()));
        m.put("rms_error", finite(d.rmsError()));
        m.put("allowed", d.allowed());
        m.put("ok", d.ok());
        if (!d.ok()) {
            m.put("element", d.worst());
            m.put("want", finite(d.want()));
            m.put("got", finite(d.got()));
        }
        return m;
    }

    /** JSON has no infinities. */
    private static Object finite(double x) {
        return Double.isFinite(x) ? x : Double.toString(x);
    }
}
