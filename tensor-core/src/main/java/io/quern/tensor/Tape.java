package io.quern.tensor;

import io.quern.tensor.op.Op;
import io.quern.tensor.op.View;
import io.quern.tensor.spi.Buffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Reverse-mode automatic differentiation: records the operations that depend on a leaf (a tensor with
 * {@link Tensor#requireGrad()}) and walks them backwards.
 *
 * <p>The tape holds the tensors that gradients read, so that scopes inside the recorded code free the rest; it lets go
 * of them one by one as it walks back.
 */
public final class Tape {
    private static final ScopedValue<Tape> CURRENT = ScopedValue.newInstance();

    /** Bound by {@link #noGrad}: there may be an outer tape, but it does not see. */
    private static final Tape OFF = new Tape();

    /** A recorded operation, and the gradients of its results as they arrive. */
    static final class Node implements Op.Backward {
        private final Tape tape;
        private final Op op;
        private final Tensor[] outputs;
        private final Slot[] slots;

        Node(Tape tape, Op op, Tensor[] outputs) {
            this.tape = tape;
            this.op = op;
            this.outputs = outputs;
            this.slots = new Slot[outputs.length];
        }

        @Override
        public Tensor output(int i) {
            return outputs[i];
        }

        @Override
        public Tensor gradient(int i) {
            return slots[i] == null ? null : slots[i].gradient;
        }

        @Override
        public boolean wants(int i) {
            Tensor t = op.inputs().get(i);
            return t != null && tape.follows(t);
        }

        private void forSaved(java.util.function.Consumer<Buffer> action) {
            Op.Saves saves = op.saves();
            List<Tensor> inputs = op.inputs();
            for (int i = 0; i < inputs.size() && i < 32; i++) {
                if ((saves.inputs() >> i & 1) != 0 && inputs.get(i) != null) {
                    action.accept(inputs.get(i).buffer());
                }
            }
            for (int i = 0; i < outputs.length; i++) {
                if ((saves.outputs() >> i & 1) != 0) {
                    action.accept(outputs[i].buffer());
                }
            }
        }

        void retainSaved() {
            forSaved(Buffer::retain);
        }

        /** Lets go of what was saved and of the gradients. */
        void release() {
            forSaved(Buffer::release);
            for (Slot s : slots) {
                if (s != null) {
                    s.clear();
                }
            }
        }
    }

    /** The gradient of a slice, with a hold on its buffer. */
    private record Part(View.Narrow of, Tensor gradient) {}

    /** A gradient that is being summed, with a hold on its buffer. */
    private static final class Slot {
        private final List<Part> parts = new ArrayList<>(0);
        private Tensor gradient;

        /** Whether nobody else can see the gradient, so that it may be added to in place. */
        private boolean owned;

        void set(Tensor g, boolean isOwned) {
            g.buffer().retain();
            if (gradient != null) {
                gradient.buffer().release();
            }
            gradient = g;
            owned = isOwned;
        }

        void add(Tensor g, boolean isOwned) {
            join();
            if (gradient == null) {
                set(g, isOwned);
            } else if (owned) {
                gradient.accumulate(g, 1);
            } else if (isOwned) {
                g.accumulate(gradient, 1);
                set(g, true);
            } else {
                set(gradient.add(g), true);
            }
        }

        /**
         * Adds to a part of the gradient of {@code whole}, which is zero elsewhere. Parts are kept as they come: if they are
         * slices that make up the whole, such as query, key and value, they are put together in one go.
         */
        void addRegion(View.Narrow part, Tensor g) {
            if (gradient == null) {
                g.buffer().retain();
                parts.add(new Part(part, g));
            } else {
                makeOwned();
                addPart(part, g);
            }
        }

        private void makeOwned() {
            if (!owned) {
                set(gradient.copy(), true);
            }
        }

        private void addPart(View.Narrow part, Tensor g) {
            gradient.narrow(part.axis(), part.start(), part.length()).accumulate(g, 1);
        }

        /** Makes the gradient of the parts that have come, if any. */
        void join() {
            if (parts.isEmpty()) {
                return;
            }
            View.Narrow any = parts.getFirst().of;
            parts.sort(Comparator.comparingInt(p -> p.of.start()));
            if (areWhole()) {
                Tensor all = parts.size() == 1
                        ? parts.getFirst().gradient
                        : Tensor.concat(
                                any.axis(), parts.stream().map(Part::gradient).toArray(Tensor[]::new));
                set(all, parts.size() > 1);
            } else {
                Tensor like = parts.getFirst().gradient;
                set(Tensor.zeros(like.device(), any.x().dtype(), any.x().shape()), true);
                parts.forEach(p -> addPart(p.of, p.gradient));
            }
            dropParts();
        }

        /** Whether the parts, which are sorted, are slices along one axis that follow each other from its begin to its end. */
        private boolean areWhole() {
            int axis = parts.getFirst().of.axis();
            int at = 0;
            for (Part p : parts) {
                if (p.of.axis() != axis || p.of.start() != at) {
                    return false;
                }
                at += p.of.length();
            }
            return at == parts.getFirst().of.x().dim(axis);
        }

        private void dropParts() {
            parts.forEach(p -> p.gradient.buffer().release());
            parts.clear();
        }

        void clear() {
            dropParts();
            if (gradient != null) {
                gradient.buffer().release();
                gradient = null;
            }
        }
    }

    private final ArrayList<Node> nodes = new ArrayList<>();
    private final java.util.IdentityHashMap<Tensor, Slot> leaves = new java.util.IdentityHashMap<>();

    /** The tape whose {@link #recompute} this one serves, or null. */
    private final Tape outer;

    /** Whether nothing is recorded, but results of the outer tape are refused all the same. */
    private final boolean blind;

    private Tape() {
        this(null, false);
    }

    private Tape(Tape outer, boolean blind) {
        this.outer = outer;
        this.blind = blind;
    }

    /** Runs {@code body} without recording, whatever encloses it. */
    public static <R, X extends Throwable> R noGrad(ScopedValue.CallableOp<? extends R, X> body) throws X {
        return ScopedValue.where(CURRENT, OFF).call(body);
    }

    /** Whether operations on leaves are being recorded now. */
    public static boolean isRecording() {
        Tape tape = CURRENT.orElse(OFF);
        return tape != OFF && !tape.blind;
    }

    /**
     * Runs {@code body}, which returns a loss of one element, and computes the gradient of the loss with respect to every
     * leaf. All intermediate tensors are freed.
     *
     * @throws TensorException if the result has not one element, or depends on no leaf
     */
    public static <X extends Throwable> Gradients gradients(ScopedValue.CallableOp<Tensor, X> body) throws X {
        return Scope.tidy(() -> {
            Tape tape = new Tape();
            try {
                Tensor loss = ScopedValue.where(CURRENT, tape).call(() -> Scope.tidy(body));
                return tape.noGradBackward(loss);
            } finally {
                tape.release();
            }
        });
    }

    /**
     * The result of {@code body}, whose intermediate tensors are not kept for the gradients but computed again when those are
     * needed: less memory for more time. The body must do the same every time it is called, and depend on no other result
     * of recorded operations than its argument; parameters may be used freely. Without a tape, just the body. Source: Chen
     * et al., "Training deep nets with sublinear memory cost" (2016).
     */
    public static Tensor recompute(Tensor x, UnaryOperator<Tensor> body) {
        if (!isRecording()) {
            return body.apply(x);
        }
        Tape tape = CURRENT.get();
        Tensor y =
                ScopedValue.where(CURRENT, new Tape(tape, true)).call(() -> Scope.tidy(() -> body.apply(x.detach())));
        Tensor result = y.requiresGrad() ? y.detach() : y;
        tape.record(new Recomputed(tape, x, body), result);
        return result;
    }

    /**
     * Runs {@code body} on {@code x} again, now recording, and walks back from {@code dy}. Gradients of leaves that the body
     * uses are added to this tape's; that of x is returned, null if the result does not depend on it.
     */
    Tensor again(Tensor x, UnaryOperator<Tensor> body, Tensor dy) {
        Tape inner = new Tape(this, false);
        try {
            Tensor in = x.detach().requireGrad();
            Tensor y = ScopedValue.where(CURRENT, inner).call(() -> Scope.tidy(() -> body.apply(in)));
            if (!inner.follows(y)) {
                return null;
            }
            inner.slot(y).set(dy, false);
            noGrad(() -> {
                inner.walk();
                return null;
            });
            inner.leaves.values().forEach(Slot::join);
            Slot mine = inner.leaves.remove(in);
            inner.leaves.forEach((leaf, s) -> slot(leaf).add(s.gradient, s.owned));
            if (mine == null) {
                return null;
            }
            Tensor dx = mine.owned && mine.gradient.isPacked() ? mine.gradient.adopted() : mine.gradient.copy();
            mine.clear();
            return dx;
        } finally {
            inner.release();
        }
    }

    /** The tape that must record an operation on these operands, or null. */
    static Tape recording(List<Tensor> inputs) {
        Tape tape = CURRENT.orElse(OFF);
        if (tape == OFF) {
            return null;
        }
        for (Tensor t : inputs) {
            if (t != null && tape.follows(t) && !tape.blind) {
                return tape;
            }
        }
        return null;
    }

    private boolean follows(Tensor t) {
        for (Tape o = outer; o != null; o = o.outer) {
            if (t.node() != null && t.node().tape == o) {
                throw new TensorException("recompute: the body uses " + t.describe()
                        + ", a result of recorded operations outside it, whose gradient would be lost; pass it as the"
                        + " argument, or detach() it");
            }
        }
        return t.requiresGrad() || t.node() != null && t.node().tape == this;
    }

    void record(Op op, Tensor... outputs) {
        boolean any = false;
        for (Tensor out : outputs) {
            any |= out.dtype().isFloating();
        }
        if (!any) {
            return;
        }
        Node node = new Node(this, op, outputs);
        node.retainSaved();
        nodes.add(node);
        for (int i = 0; i < outputs.length; i++) {
            if (outputs[i].dtype().isFloating()) {
                outputs[i].setNode(node, i);
            }
        }
    }

    private Gradients noGradBackward(Tensor loss) {
        return noGrad(() -> backward(loss));
    }

    private Gradients backward(Tensor loss) {
        if (loss.shape().size() != 1) {
            throw new TensorException("the loss must have one element; got " + loss.describe());
        }
        if (!follows(loss)) {
            throw new TensorException("the loss depends on no tensor that requires a gradient");
        }
        slot(loss).set(Tensor.full(loss.device(), loss.dtype(), loss.shape(), 1), false);
        walk();
        Gradients result = new Gradients();
        result.setLoss(loss.detach());
        leaves.values().forEach(Slot::join);
        leaves.forEach((leaf, slot) -> {
            // The caller may add to a gradient in place, so it must not share its memory with another.
            Tensor g = slot.owned && slot.gradient.isPacked() ? slot.gradient.adopted() : slot.gradient.copy();
            result.put(leaf, g);
            slot.clear();
        });
        leaves.clear();
        return result;
    }

    /** From the last recorded operation to the first, letting go of each. */
    private void walk() {
        for (int n = nodes.size() - 1; n >= 0; n--) {
            Node node = nodes.get(n);
            Scope.run(() -> {
                step(node);
                return null;
            });
            node.release();
            nodes.set(n, null);
        }
    }

    private void step(Node node) {
        for (Slot s : node.slots) {
            if (s != null) {
                s.join();
            }
        }
        if (Arrays.stream(node.slots).allMatch(s -> s == null || s.gradient == null)) {
            return;
        }
        if (node.op instanceof View.Narrow narrow) {
            slot(narrow.x()).addRegion(narrow, node.gradient(0));
            return;
        }
        for (int i = 0; i < node.slots.length; i++) {
            if (node.gradient(i) != null && !node.op.hasGradient(i)) {
                throw new TensorException("the loss depends on result " + i + " of " + node.op.name()
                        + ", a by-product without a gradient; detach() it, or compute it by other operations");
            }
        }
        List<Tensor> inputs = node.op.inputs();
        List<Tensor> gradients = node.op.gradient(node);
        for (int i = 0; i < inputs.size(); i++) {
            Tensor g = gradients.get(i);
            if (g != null && node.wants(i)) {
                if (!g.shape().equals(inputs.get(i).shape())) {
                    throw new TensorException(
                            "the gradient of " + node.op.name() + " for operand " + i + " is " + g.describe()
                                    + ", but the operand is " + inputs.get(i).describe());
                }
                slot(inputs.get(i)).add(g, isFresh(g, i, gradients));
            }
        }
    }

    /** Born in this step, packed, and given to one operand only: then nobody else can see it. */
    private static boolean isFresh(Tensor g, int index, List<Tensor> all) {
        if (!g.isPacked() || g.buffer().owner() != Scope.current()) {
            return false;
        }
        for (int i = 0; i < all.size(); i++) {
            if (i != index && all.get(i) != null && all.get(i).buffer() == g.buffer()) {
                return false;
            }
        }
        return true;
    }

    private Slot slot(Tensor t) {
        Node node = t.node();
        if (node == null || node.tape != this) {
            return leaves.computeIfAbsent(t, x -> new Slot());
        }
        int i = t.nodeOutput();
        if (node.slots[i] == null) {
            node.slots[i] = new Slot();
        }
        return node.slots[i];
    }

    private void release() {
        for (Node node : nodes) {
            if (node != null) {
                node.release();
            }
        }
        nodes.clear();
        leaves.values().forEach(Slot::clear);
        leaves.clear();
    }
}
