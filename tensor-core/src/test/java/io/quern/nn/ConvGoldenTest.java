package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Windows;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Convolution, pooling and batch norm, forward and backward, against PyTorch. */
class ConvGoldenTest {
    private static final Golden GOLDEN = Golden.load("ops_conv");

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
        c.input()
                .fieldNames()
                .forEachRemaining(name -> in.put(name, c.input(name).tensor(dtype)));
        Tensor x = in.get("x").requireGrad();
        String op = c.params().get("op").asText();
        try (Module layer = layer(op, c, in)) {
            boolean training = c.params().path("training").asBoolean();
            Gradients g = Tape.gradients(() -> {
                Tensor y =
                        training ? TrainingMode.with(0, 0, () -> forward(layer, op, c, x)) : forward(layer, op, c, x);
                c.assertClose("output", y);
                return y.mul(in.get("grad_output")).sum();
            });
            c.assertClose("grad_x", g.of(x));
            if (layer != null) {
                layer.parameters().forEach((name, p) -> {
                    if (c.expected().has("grad_" + name)) {
                        c.assertClose("grad_" + name, g.of(p.value()));
                    }
                    if (c.expected().has(name + "_after")) {
                        c.assertClose(name + "_after", p.value());
                    }
                });
            }
        }
    }

    private static Module layer(String op, Golden.Case c, Map<String, Tensor> in) {
        return switch (op) {
            case "conv2d" -> new Conv2d(in.get("weight"), in.get("bias"), geometry(c));
            case "conv_transpose2d" ->
                new ConvTranspose2d(in.get("weight"), in.get("bias"), geometry(c), at(c, "output_padding", 0, 0));
            case "batch_norm2d" ->
                new BatchNorm2d(
                        in.get("weight"),
                        in.get("bias"),
                        in.get("running_mean"),
                        in.get("running_var"),
                        c.params().get("momentum").asDouble(),
                        c.params().get("eps").asDouble());
            default -> null;
        };
    }

    private static Tensor forward(Module layer, String op, Golden.Case c, Tensor x) {
        return switch (layer) {
            case Conv2d l -> l.forward(x);
            case ConvTranspose2d l -> l.forward(x);
            case BatchNorm2d l -> l.forward(x);
            case null -> {
                Windows rows = windows(c, x, 0);
                Windows columns = windows(c, x, 1);
                yield Tensor.runAll(
                                op.equals("max_pool2d")
                                        ? new Pool.Max(x, rows, columns)
                                        : new Pool.Average(x, rows, columns))
                        .getFirst();
            }
            default -> throw new IllegalArgumentException("no such layer: " + layer);
        };
    }

    private static Windows windows(Golden.Case c, Tensor x, int axis) {
        return new Windows.Sliding(
                x.dim(2 + axis),
                at(c, "kernel", axis, 0),
                at(c, "stride", axis, 1),
                at(c, "padding", axis, 0),
                c.params().path("count_include_pad").asBoolean());
    }

    private static Conv.Geometry geometry(Golden.Case c) {
        return new Conv.Geometry(
                at(c, "stride", 0, 1),
                at(c, "stride", 1, 1),
                at(c, "padding", 0, 0),
                at(c, "padding", 1, 0),
                at(c, "dilation", 0, 1),
                at(c, "dilation", 1, 1),
                c.params().path("groups").asInt(1));
    }

    private static int at(Golden.Case c, String key, int axis, int absent) {
        JsonNode n = c.params().path(key);
        return n.isMissingNode() ? absent : n.get(axis).asInt();
    }

    /** Each group of a result has mean 0 and variance 1. */
    @Test
    void groupNormNormalisesGroups() {
        Scope.run(() -> {
            try (GroupNorm norm = new GroupNorm(3, Tensor.ones(6), Tensor.zeros(6), 0)) {
                Tensor y = norm.forward(Tensor.randn(new Rng(1), 5, 2, 6, 4, 5).shift(7));
                for (double mean : y.reshape(6, 40).mean(1).toDoubles()) {
                    assertEquals(0, mean, 1e-5);
                }
                for (double square : y.reshape(6, 40).square().mean(1).toDoubles()) {
                    assertEquals(1, square, 1e-5);
                }
            }
            return null;
        });
    }

    @Test
    void adaptivePoolingCoversThePlane() {
        float[] x = {1, 2, 3, 4, 5};
        Scope.run(() -> {
            Tensor y = Pooling.adaptiveAverage(Tensor.of(x, 1, 1, 1, 5), 1, 2);
            assertEquals(2, y.toFloats()[0]);
            assertEquals(4, y.toFloats()[1]);
            return null;
        });
    }

    @Test
    void wrongShapesAreNamed() {
        UnaryOperator<Tensor> conv = x -> x.conv2d(Tensor.zeros(4, 3, 3, 3), null, Conv.Geometry.of(1, 0));
        Scope.run(() -> {
            Stream.of(Tensor.zeros(1, 2, 8, 8), Tensor.zeros(1, 3, 2, 8), Tensor.zeros(3, 8, 8))
                    .forEach(x -> {
                        TensorException e = assertThrows(TensorException.class, () -> conv.apply(x));
                        assertTrue(
                                e.getMessage().contains("conv2d")
                                        && e.getMessage().contains(x.describe()),
                                e::getMessage);
                    });
            assertThrows(TensorException.class, () -> Pooling.max(Tensor.zeros(1, 1, 2, 2), 3, 1, 0));
            return null;
        });
    }
}
