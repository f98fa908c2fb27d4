package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Operations that move elements. */
public sealed interface Index extends Op {

    /**
     * Rows of a table [V, C] by ids (I32, any shape): [ids..., C]. An id outside [0, V) is an error that names it and
     * its position. Rows of a quantised table become F32.
     */
    record Embedding(Tensor table, Tensor ids) implements Index {
        @Override
        public String name() {
            return "embedding";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(table, ids);
        }

        @Override
        public List<Spec> outputs() {
            Checks.rank(name(), 2, table);
            Checks.dtype(name(), DType.I32, ids);
            int[] dims = new int[ids.shape().rank() + 1];
            System.arraycopy(ids.shape().dims(), 0, dims, 0, dims.length - 1);
            dims[dims.length - 1] = table.shape().dim(1);
            return List.of(new Spec(Shape.of(dims), table.dtype().isQuantized() ? DType.F32 : table.dtype()));
        }

        @Override
        public boolean takesQuantized(int i) {
            return i == 0;
        }

        @Override
        public Saves saves() {
            return Saves.inputs(1);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            if (table.dtype().isQuantized()) {
                throw Checks.quantizedHasNoGradient(name(), table);
            }
            return asList(
                    Tensor.run(
                            new EmbeddingGrad(ids, b.gradient(0), table.shape().dim(0))),
                    null);
        }

        @Override
        public long bytes() {
            long numbers = ids.shape().size() * table.shape().dim(1);
            DType result = table.dtype().isQuantized() ? DType.F32 : table.dtype();
            return table.dtype().bytes(numbers)
                    + result.bytes(numbers)
                    + ids.shape().size() * 4;
        }
    }

    /** Gradient of the table [rows, C]: dy summed by id, in the order of the ids, so that it is deterministic. */
    record EmbeddingGrad(Tensor ids, Tensor dy, int rows) implements Index {
        @Override
        public String name() {
            return "embedding_grad";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(ids, dy);
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(Shape.of(rows, dy.shape().dim(-1)), dy.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }

    /** Joins tensors along an axis (non-negative); all other dimensions agree. */
    record Concat(List<Tensor> parts, int axis) implements Index {
        @Override
        public String name() {
            return "concat";
        }

        @Override
        public List<Tensor> inputs() {
            return new ArrayList<>(parts);
        }

        @Override
        public List<Spec> outputs() {
            Tensor first = parts.getFirst();
            int n = 0;
            for (Tensor p : parts) {
                Checks.sameDType(name(), first, p);
                if (p.shape().rank() != first.shape().rank()
                        || !p.shape().with(axis, 0).equals(first.shape().with(axis, 0))) {
                    throw Checks.error(name(), "shapes must agree but for axis " + axis, first, p);
                }
                n = Math.addExact(n, p.shape().dim(axis));
            }
            return List.of(new Spec(first.shape().with(axis, n), first.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            List<Tensor> grads = new ArrayList<>();
            int at = 0;
            for (int i = 0; i < parts.size(); i++) {
                int n = parts.get(i).shape().dim(axis);
                grads.add(b.wants(i) ? b.gradient(0).narrow(axis, at, n) : null);
                at += n;
            }
            return grads;
        }
    }

    /** The same elements, packed row-major. */
    record Pack(Tensor x) implements Index {
        @Override
        public String name() {
            return "pack";
        }

        @Override
        public List<Tensor> inputs() {
            return asList(x);
        }

        @Override
        public Layout layout(int i) {
            return Layout.ANY;
        }

        @Override
        public List<Spec> outputs() {
            if (x.dtype().isQuantized() && !x.isPacked()) {
                throw Checks.error(name(), "blocks cannot be put in another order; cast to F32 before transposing", x);
            }
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public boolean takesQuantized(int i) {
            return true;
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(b.gradient(0));
        }
    }
}
