package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.OpTrace;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Buffer;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The same model on two devices, operation by operation: {@link #record} runs passes on the first and keeps all results,
 * {@link #compare} runs them on the second, to which the model was moved in between.
 *
 * <p>What is allowed: errors of float32 add up at random, so that after n operations a result may be off by
 * {@code 32 sqrt(n)} times the distance of 1 to the next number, relative to its largest element. Results in 16 bits may
 * be off by four of their own roundings more. The factors leave room: between right kernels of GPT-2 less than a tenth is
 * used. The results kept take memory: of GPT-2, about 0.9 MB a token.
 */
public final class Verification {
    private static final double FACTOR = 32;
    private static final int ROUNDINGS = 4;

    private record Result(String layer, String op, HostValues values) {}

    private final Supplier<Map<String, Tensor>> parameters;
    private final double tolerance;
    private final Map<String, List<Result>> recorded = new LinkedHashMap<>();
    private final List<Difference> differences = new ArrayList<>();
    private Device reference;
    private String diagnosis;

    /**
     * @param parameters the model's parameters where they are now, by the paths that name its layers
     * @param tolerance allowed relative error of every result; NaN for that of its dtype and depth
     */
    public Verification(Supplier<Map<String, Tensor>> parameters, double tolerance) {
        this.parameters = parameters;
        this.tolerance = tolerance;
    }

    /** Runs a pass without gradients and keeps what its operations gave; returns the elements of its result. */
    public float[] record(String pass, Supplier<Tensor> forward) {
        List<Result> results = new ArrayList<>();
        if (recorded.put(pass, results) != null) {
            throw new IllegalArgumentException("pass " + pass + " is recorded twice");
        }
        Layers layers = new Layers(parameters.get());
        return run(forward, (op, in, out) -> {
            String layer = layers.of(in);
            if (out.length > 0) {
                reference = out[0].device();
                results.add(new Result(layer, op.name(), HostValues.of(out[0])));
            }
        });
    }

    /**
     * Runs a recorded pass again and compares every result; returns the elements of the last.
     *
     * @throws TensorException if the pass runs other operations than it did
     */
    public float[] compare(String pass, Supplier<Tensor> forward) {
        List<Result> want = recorded.get(pass);
        if (want == null) {
            throw new IllegalArgumentException("pass " + pass + " is not recorded");
        }
        Layers layers = new Layers(parameters.get());
        int[] at = new int[1];
        float[] result = run(forward, (op, in, out) -> {
            String layer = layers.of(in);
            if (out.length > 0) {
                int i = at[0]++;
                if (i >= want.size() || !want.get(i).op.equals(op.name())) {
                    throw new TensorException("operation " + i + " of pass " + pass + " is " + op.name() + " at "
                            + layer
                            + ", but was "
                            + (i < want.size() ? want.get(i).op + " at " + want.get(i).layer : "beyond the last")
                            + " on " + reference);
                }
                Difference d = difference(pass, i, layer, op, want.get(i).values, HostValues.of(out[0]));
                differences.add(d);
                if (!d.ok() && diagnosis == null) {
                    diagnosis = diagnose(op, in, out[0]);
                }
            }
        });
        if (at[0] != want.size()) {
            throw new TensorException(
                    "pass " + pass + " ran " + at[0] + " operations, but " + want.size() + " on " + reference);
        }
        return result;
    }

    /** All results compared so far, in the order of their operations. */
    public List<Difference> differences() {
        return List.copyOf(differences);
    }

    /** The first result past its tolerance. */
    public Optional<Difference> first() {
        return differences.stream().filter(d -> !d.ok()).findFirst();
    }

    /** Whether the kernel of the first result past its tolerance is wrong by itself; null if there is none. */
    public String diagnosis() {
        return diagnosis;
    }

    private static float[] run(Supplier<Tensor> forward, OpTrace.Listener listener) {
        return Scope.run(
                () -> Tape.noGrad(() -> OpTrace.watch(listener, forward::get).toFloats()));
    }

    /** Runs the operation on the recorded device with the operands that it had on this one. */
    private String diagnose(Op op, Tensor[] in, Tensor out) {
        return Scope.run(() -> {
            Tensor[] same = new Tensor[in.length];
            for (int i = 0; i < in.length; i++) {
                same[i] = in[i] == null ? null : in[i].to(reference);
            }
            List<Op.Spec> specs = op.outputs();
            Tensor[] results = new Tensor[specs.size()];
            for (int i = 0; i < results.length; i++) {
                results[i] = Tensor.empty(
                        reference, specs.get(i).dtype(), specs.get(i).shape());
            }
            reference.backend().run(op, same, results);
            Difference d = difference("", 0, "", op, HostValues.of(results[0]), HostValues.of(out));
            String error = String.format(
                    java.util.Locale.ROOT,
                    "on equal operands %s of %s and of %s differ by a relative error of %.2g",
                    op.name(),
                    reference,
                    out.device(),
                    d.relativeError());
            return d.ok() ? error + ": the operands differed before" : error + ": the kernel is wrong on one of them";
        });
    }

    private Difference difference(String pass, int index, String layer, Op op, HostValues want, HostValues got) {
        if (!want.shape().equals(got.shape()) || want.dtype() != got.dtype()) {
            throw new TensorException(layer + ": " + op.name() + " gave " + got.dtype() + " " + got.shape() + ", but "
                    + want.dtype() + " " + want.shape() + " on " + reference);
        }
        double scale = 0;
        double max = 0;
        long worst = 0;
        double squares = 0;
        double errors = 0;
        for (long i = 0; i < want.shape().size(); i++) {
            double w = want.get(i);
            double g = got.get(i);
            boolean same = w == g || Double.isNaN(w) && Double.isNaN(g);
            double e = same ? 0 : Math.abs(w - g);
            if (Double.isFinite(w)) {
                scale = Math.max(scale, Math.abs(w));
                squares += w * w;
            }
            if (!(e < Double.POSITIVE_INFINITY)) { // NaN or infinite on one device only
                e = Double.POSITIVE_INFINITY;
            }
            if (e > max) {
                max = e;
                worst = i;
            }
            errors += e * e;
        }
        Shape shape = want.shape();
        return new Difference(
                pass,
                index,
                layer,
                op.name(),
                shape,
                want.dtype(),
                max,
                ratio(max, scale),
                ratio(Math.sqrt(errors), Math.sqrt(squares)),
                allowed(want.dtype(), index),
                worst,
                shape.size() == 0 ? 0 : want.get(worst),
                shape.size() == 0 ? 0 : got.get(worst));
    }

    private static double ratio(double error, double scale) {
        return error == 0 ? 0 : error / scale;
    }

    private double allowed(DType dtype, int before) {
        if (dtype == DType.I32) {
            return 0;
        }
        if (!Double.isNaN(tolerance)) {
            return tolerance;
        }
        double unit = Tolerance.unit(dtype == DType.F64 ? DType.F64 : DType.F32);
        double rounding = dtype == DType.F64 || dtype == DType.F32 ? 0 : ROUNDINGS * Tolerance.unit(dtype);
        return FACTOR * unit * Math.sqrt(before + 1.0) + rounding;
    }

    /** Names operations by the parameters among their operands. */
    private static final class Layers {
        private final Map<Buffer, String> paths = new IdentityHashMap<>();
        private String last;

        Layers(Map<String, Tensor> parameters) {
            parameters.forEach((path, t) ->
                    paths.put(t.buffer(), path.contains(".") ? path.substring(0, path.lastIndexOf('.')) : path));
        }

        String of(Tensor[] in) {
            for (Tensor t : in) {
                String path = t == null ? null : paths.get(t.buffer());
                if (path != null) {
                    last = path;
                    return path;
                }
            }
            return last == null ? "input" : "after " + last;
        }
    }
}
