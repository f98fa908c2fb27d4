package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.golden.Golden;
import io.quern.tensor.op.Attention;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Layers and operations, forward and backward, against PyTorch. */
class OpsGoldenTest {
    private static final Golden GOLDEN = Golden.load("ops_basic");

    @TestFactory
    Stream<DynamicTest> agreeWithPyTorch() {
        return GOLDEN.cases().stream()
                .map(c -> dynamicTest(c.id(), () -> {
                    for (DType dtype : new DType[] {DType.F32, DType.F64}) {
                        Scope.run(() -> {
                            check(c, dtype);
                            return null;
                        });
                    }
                }));
    }

    private static void check(Golden.Case c, DType dtype) {
        Map<String, Tensor> in = new LinkedHashMap<>();
        c.input().fieldNames().forEachRemaining(name -> {
            boolean integers = name.equals("ids") || name.equals("key_mask");
            Tensor t = c.input(name).tensor(integers ? DType.I32 : dtype);
            in.put(name, c.expected().has("grad_" + name) ? t.requireGrad() : t);
        });
        c.assertClose("output", forward(c, in));
        Gradients g =
                Tape.gradients(() -> forward(c, in).mul(in.get("grad_output")).sum());
        in.forEach((name, t) -> {
            if (c.expected().has("grad_" + name)) {
                c.assertClose("grad_" + name, g.of(t));
            }
        });
    }

    private static Tensor forward(Golden.Case c, Map<String, Tensor> in) {
        Tensor x = in.get("x");
        double eps = c.params().path("eps").asDouble();
        return switch (c.params().get("op").asText()) {
            case "layer_norm" -> x.layerNorm(in.get("weight"), in.get("bias"), eps);
            case "rms_norm" -> x.rmsNorm(in.get("weight"), eps);
            case "gelu_erf" -> x.gelu();
            case "gelu_tanh" -> x.geluTanh();
            case "relu" -> x.relu();
            case "silu" -> x.silu();
            case "sigmoid" -> x.sigmoid();
            case "tanh" -> x.tanh();
            case "softmax" -> {
                int dim = c.params().path("dim").asInt(-1);
                yield x.transpose(dim, -1).softmax().transpose(dim, -1);
            }
            case "log_softmax" -> x.logSoftmax();
            case "linear" -> x.matmul(in.get("weight").transpose(0, 1), in.get("bias"));
            case "embedding" -> in.get("weight").embedding(in.get("ids"));
            case "attention" -> attention(c, in);
            default -> throw new IllegalArgumentException("no such operation: " + c.params());
        };
    }

    /** The files have the heads before the time. */
    private static Tensor attention(Golden.Case c, Map<String, Tensor> in) {
        double scale = 1 / Math.sqrt(c.params().get("head_dim").asInt());
        return in.get("q")
                .transpose(1, 2)
                .attention(
                        in.get("k").transpose(1, 2),
                        in.get("v").transpose(1, 2),
                        in.get("key_mask"),
                        new Attention.Options(c.params().path("causal").asBoolean(), scale, 0, 0, 0))
                .transpose(1, 2);
    }

    /** The modules hold the same weights in the same layouts. */
    @Test
    void modulesAreTheOperations() {
        Golden.Case linear = GOLDEN.get("linear");
        Golden.Case norm = GOLDEN.get("layer_norm");
        Golden.Case rows = GOLDEN.get("embedding");
        Scope.run(() -> {
            try (Linear l = new Linear(weight(linear, "weight"), weight(linear, "bias"));
                    Conv1D t =
                            new Conv1D(weight(linear, "weight").transpose(0, 1).copy(), weight(linear, "bias"));
                    LayerNorm n = new LayerNorm(weight(norm, "weight"), weight(norm, "bias"), 1e-5);
                    Embedding e = new Embedding(weight(rows, "weight"))) {
                linear.assertClose("output", l.forward(weight(linear, "x")));
                linear.assertClose("output", t.forward(weight(linear, "x")));
                norm.assertClose("output", n.forward(weight(norm, "x")));
                rows.assertClose("output", e.forward(rows.input("ids").tensor(DType.I32)));
                assertEquals(
                        rows.input("weight").shape().dim(0),
                        e.project(Tensor.zeros(1, 4)).dim(-1));
            }
            return null;
        });
    }

    private static Tensor weight(Golden.Case c, String name) {
        return c.input(name).tensor(DType.F32);
    }
}
