package io.quern.tensor.check;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Attention.Options;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Cases of {@link Attention}. */
final class AttentionCases {
    /** Sizes of attention. */
    private record Form(int b, int t, int s, int h, int g, int d) {
        double scale() {
            return 1 / Math.sqrt(d);
        }

        @Override
        public String toString() {
            return "B" + b + " T" + t + " S" + s + " H" + h + " G" + g + " D" + d;
        }
    }

    private static final List<Form> FORMS = List.of(
            new Form(1, 1, 1, 1, 1, 1),
            new Form(1, 5, 5, 1, 1, 4),
            new Form(2, 7, 7, 3, 3, 16),
            new Form(2, 17, 17, 4, 2, 15),
            new Form(1, 33, 33, 2, 1, 17),
            new Form(1, 65, 65, 2, 2, 8),
            new Form(2, 3, 9, 6, 2, 32),
            new Form(1, 70, 130, 1, 1, 64),
            new Form(1, 9, 300, 2, 1, 16),
            new Form(1, 140, 140, 1, 1, 8),
            new Form(3, 1, 40, 4, 4, 16),
            new Form(2, 1, 1100, 2, 2, 8),
            new Form(1, 2, 600, 4, 2, 24),
            new Form(2, 5, 3, 2, 2, 8));

    private AttentionCases() {}

    static void addTo(List<OpCase> all) {
        for (Form f : FORMS) {
            for (boolean causal : new boolean[] {false, true}) {
                Options o = new Options(causal, f.scale(), 0, 0, 0);
                String name = (causal ? "causal " : "") + "attention " + f;
                all.add(OpCase.of(
                        name,
                        d -> operands(d, f),
                        t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), null, null, o),
                        0,
                        1,
                        2));
                all.add(OpCase.of(
                        name + ", keys masked",
                        d -> withMask(d, f),
                        t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), t.get(3), null, o),
                        0,
                        1,
                        2));
                all.add(OpCase.of(
                        name + ", gradient",
                        d -> gradientOperands(d, f, o),
                        t -> new Attention.Gradient(
                                t.get(0), t.get(1), t.get(2), t.get(3), t.get(4), t.get(5), t.get(6), o)));
            }
        }
        dropout(all);
        hidden(all);
        views(all);
        rows(all);
    }

    private static List<Tensor> operands(Draw d, Form f) {
        return List.of(d.normal(f.b, f.t, f.h, f.d), d.normal(f.b, f.s, f.g, f.d), d.normal(f.b, f.s, f.g, f.d));
    }

    private static List<Tensor> withMask(Draw d, Form f) {
        List<Tensor> all = new ArrayList<>(operands(d, f));
        all.add(d.ints(3, f.b, f.s));
        return all;
    }

    private static List<Tensor> gradientOperands(Draw d, Form f, Options o) {
        List<Tensor> all = withMask(d, f);
        all.addAll(Tensor.runAll(new Attention.Forward(all.get(0), all.get(1), all.get(2), all.get(3), null, o)));
        all.add(d.normal(f.b, f.t, f.h, f.d));
        return all;
    }

    private static void dropout(List<OpCase> all) {
        Form f = new Form(2, 9, 17, 4, 2, 8);
        for (boolean causal : new boolean[] {false, true}) {
            Options o = new Options(causal, f.scale(), 0.25, 11, 5);
            all.add(OpCase.of(
                    (causal ? "causal " : "") + "attention with dropout",
                    d -> withMask(d, f),
                    t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), t.get(3), null, o),
                    0,
                    1,
                    2));
            all.add(OpCase.of(
                    (causal ? "causal " : "") + "attention with dropout, gradient",
                    d -> gradientOperands(d, f, o),
                    t -> new Attention.Gradient(
                            t.get(0), t.get(1), t.get(2), t.get(3), t.get(4), t.get(5), t.get(6), o)));
        }
    }

    /** Queries that see no key at all: left padding under a causal mask, and a mask of nothing but zeros. */
    private static void hidden(List<OpCase> all) {
        Form f = new Form(2, 4, 4, 2, 2, 16);
        int[] mask = {0, 0, 1, 1, 0, 0, 0, 0};
        for (boolean causal : new boolean[] {false, true}) {
            Options o = new Options(causal, f.scale(), 0, 0, 0);
            all.add(OpCase.of(
                    (causal ? "causal " : "") + "attention to nothing",
                    d -> {
                        List<Tensor> t = new ArrayList<>(operands(d, f));
                        t.add(d.ints(new int[] {f.b, f.s}, mask));
                        return t;
                    },
                    t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), t.get(3), null, o),
                    0,
                    1,
                    2));
        }
        all.add(OpCase.of(
                "attention of large scores",
                d -> operands(d, f),
                t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), null, null, Options.full(50))));
        all.add(OpCase.of(
                "attention of no batch",
                d -> operands(d, new Form(0, 3, 3, 2, 2, 4)),
                t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), null, null, Options.causal(1)),
                0,
                1,
                2));
    }

    private static void views(List<OpCase> all) {
        all.add(OpCase.of(
                "attention of slices of qkv",
                d -> List.of(d.normal(2, 9, 3, 4, 16)),
                t -> {
                    Tensor qkv = t.get(0);
                    return new Attention.Forward(
                            qkv.select(2, 0), qkv.select(2, 1), qkv.select(2, 2), null, null, Options.causal(0.25));
                },
                0));
        all.add(OpCase.of(
                "attention to the filled part of a cache",
                d -> List.of(d.normal(2, 1, 4, 16), d.normal(2, 50, 2, 16), d.normal(2, 50, 2, 16)),
                t -> new Attention.Forward(
                        t.get(0),
                        t.get(1).narrow(1, 0, 37),
                        t.get(2).narrow(1, 0, 37),
                        null,
                        null,
                        Options.causal(0.25)),
                0,
                1,
                2));
        all.add(OpCase.of(
                "attention of heads first",
                d -> List.of(d.normal(2, 4, 9, 16), d.normal(2, 4, 9, 16), d.normal(2, 4, 9, 16)),
                t -> new Attention.Forward(
                        t.get(0).transpose(1, 2),
                        t.get(1).transpose(1, 2),
                        t.get(2).transpose(1, 2),
                        null,
                        null,
                        Options.causal(0.25)),
                0,
                1,
                2));
    }

    /** Beams over a shared cache. */
    private static void rows(List<OpCase> all) {
        for (int t : new int[] {1, 3}) {
            int beams = 3;
            int keys = 21;
            int cache = 4;
            all.add(OpCase.of(
                    "attention of beams, T" + t,
                    d -> List.of(
                            d.normal(beams, t, 4, 16),
                            d.normal(cache, keys, 2, 16),
                            d.normal(cache, keys, 2, 16),
                            mask(d, beams, keys),
                            d.ints(cache, beams, keys)),
                    in -> new Attention.Forward(
                            in.get(0), in.get(1), in.get(2), in.get(3), in.get(4), Options.causal(0.25))));
            all.add(OpCase.of(
                    "attention of beams without mask, T" + t,
                    d -> List.of(
                            d.normal(beams, t, 4, 16),
                            d.normal(cache, 64, 4, 16),
                            d.normal(cache, 64, 4, 16),
                            d.ints(cache, beams, keys)),
                    in -> new Attention.Forward(
                            in.get(0),
                            in.get(1).narrow(1, 0, keys),
                            in.get(2).narrow(1, 0, keys),
                            null,
                            in.get(3),
                            Options.causal(0.25))));
        }
    }

    /** Hides the first two keys of the second sequence, as left padding does. */
    private static Tensor mask(Draw d, int b, int s) {
        int[] mask = new int[b * s];
        Arrays.fill(mask, 1);
        mask[s] = 0;
        mask[s + 1] = 0;
        return d.ints(new int[] {b, s}, mask);
    }
}
