package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import java.util.List;

/** Tensors of many sizes cut into tasks of one size, so that threads share them out evenly. */
record TensorChunks(int[] firstTask, List<Tensor> tensors, int size) {
    static TensorChunks of(List<Tensor> tensors, int size) {
        int[] firstTask = new int[tensors.size() + 1];
        for (int i = 0; i < tensors.size(); i++) {
            firstTask[i + 1] = firstTask[i] + Math.toIntExact((tensors.get(i).size() + size - 1) / size);
        }
        return new TensorChunks(firstTask, tensors, size);
    }

    int count() {
        return firstTask[tensors.size()];
    }

    /** The tensor that a task belongs to. */
    int tensor(int task) {
        int low = 0;
        int high = firstTask.length - 1;
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (firstTask[middle] <= task) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    long first(int task) {
        return (long) (task - firstTask[tensor(task)]) * size;
    }

    int length(int task) {
        return (int) Math.min(size, tensors.get(tensor(task)).size() - first(task));
    }
}
