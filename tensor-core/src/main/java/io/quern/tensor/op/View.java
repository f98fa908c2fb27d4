package io.quern.tensor.op;

import static java.util.Arrays.asList;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.List;

/** Views: other shapes and strides on the same buffer. They run nothing; they are operations only for the tape. */
public sealed interface View extends Op {
    Tensor x();

    /** Shape of the view. */
    Shape shape();

    @Override
    default List<Tensor> inputs() {
        return asList(x());
    }

    @Override
    default List<Spec> outputs() {
        return List.of(new Spec(shape(), x().dtype()));
    }

    @Override
    default Layout layout(int i) {
        return Layout.ANY;
    }

    @Override
    default Saves saves() {
        return Saves.NONE;
    }

    @Override
    default long flops() {
        return 0;
    }

    @Override
    default long bytes() {
        return 0;
    }

    record Reshape(Tensor x, Shape shape) implements View {
        @Override
        public String name() {
            return "reshape";
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(b.gradient(0).reshape(x.shape()));
        }
    }

    /** Dimension i of the view is dimension {@code order.get(i)} of x. */
    record Permute(Tensor x, List<Integer> order, Shape shape) implements View {
        @Override
        public String name() {
            return "permute";
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            int[] back = new int[order.size()];
            for (int i = 0; i < back.length; i++) {
                back[order.get(i)] = i;
            }
            return asList(b.gradient(0).permute(back));
        }
    }

    /** Repeats dimensions of size 1, and adds outer ones. */
    record Expand(Tensor x, Shape shape) implements View {
        @Override
        public String name() {
            return "expand";
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return asList(b.gradient(0).sumTo(x.shape()));
        }
    }

    /** Elements {@code start} to {@code start + length} of an axis. */
    record Narrow(Tensor x, int axis, int start, int length, Shape shape) implements View {
        @Override
        public String name() {
            return "narrow";
        }

        /** Never called: the tape adds into the region of the whole gradient, so that slices cost no padding. */
        @Override
        public List<Tensor> gradient(Backward b) {
            return Checks.noGradient(name());
        }
    }
}
