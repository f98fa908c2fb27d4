// Events and graphs of the emulated device. A graph keeps copies of the parameters of its kernels, as the driver does; what
// cuBLAS does while a stream is captured comes as a function with its arguments.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "registry.h"

#define API extern "C" __attribute__((visibility("default"))) int

extern "C" int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
        void **);
const std::vector<size_t> &emu_parameters(void *function);

namespace {

// CUDA_KERNEL_NODE_PARAMS of CUDA 12.
struct KernelParams {
    void *function;
    unsigned grid[3], block[3], shared;
    void **parameters;
    void **extra;
    void *kernel;
    void *context;
};

struct Graph;

struct Node {
    KernelParams kernel = {};
    std::vector<std::vector<char>> values;
    std::shared_ptr<Graph> child;
    void (*call)(const void *) = nullptr;
    std::vector<char> argument;

    void take(const KernelParams &p) {
        kernel = p;
        const std::vector<size_t> &sizes = emu_parameters(p.function);
        values.clear();
        for (size_t i = 0; i < sizes.size(); i++) {
            const char *from = (const char *)p.parameters[i];
            values.emplace_back(from, from + sizes[i]);
        }
    }
};

struct Graph {
    std::vector<std::shared_ptr<Node>> nodes;
};

// An executable graph has nodes of its own; which one is known by the node it was made of.
struct Exec {
    std::vector<std::pair<Node *, Node>> nodes;
};

Graph *captured;

int run(const Node &node, void *stream) {
    if (node.child) {
        for (auto &n : node.child->nodes) {
            if (int result = run(*n, stream)) {
                return result;
            }
        }
        return 0;
    }
    if (node.call) {
        node.call(node.argument.data());
        return 0;
    }
    std::vector<void *> pointers;
    for (auto &v : node.values) {
        pointers.push_back((void *)v.data());
    }
    const KernelParams &k = node.kernel;
    return cuLaunchKernel(k.function, k.grid[0], k.grid[1], k.grid[2], k.block[0], k.block[1], k.block[2], k.shared, stream,
            pointers.data(), nullptr);
}

}  // namespace

API cuEventCreate(void **event, unsigned) {
    *event = new char;
    return 0;
}

API cuEventRecord(void *, void *) {
    return 0;
}

API cuEventSynchronize(void *) {
    return 0;
}

API cuGraphCreate(Graph **graph, unsigned flags) {
    *graph = new Graph();
    return flags == 0 ? 0 : 1;
}

// Chains only: every node but the first follows the last one.
static int add(Node **result, Graph *graph, Node *const *after, size_t count, std::shared_ptr<Node> node) {
    bool first = graph->nodes.empty();
    if (count != (first ? 0 : 1) || (!first && *after != graph->nodes.back().get())) {
        return 1;
    }
    *result = node.get();
    graph->nodes.push_back(node);
    return 0;
}

API cuGraphAddKernelNode_v2(Node **result, Graph *graph, Node *const *after, size_t count, const KernelParams *params) {
    auto node = std::make_shared<Node>();
    node->take(*params);
    return add(result, graph, after, count, node);
}

API cuGraphAddChildGraphNode(Node **result, Graph *graph, Node *const *after, size_t count, const Graph *child) {
    auto node = std::make_shared<Node>();
    node->child = std::make_shared<Graph>(*child);
    return add(result, graph, after, count, node);
}

API cuGraphInstantiateWithFlags(Exec **exec, const Graph *graph, unsigned long long) {
    *exec = new Exec();
    for (auto &n : graph->nodes) {
        (*exec)->nodes.emplace_back(n.get(), *n);
    }
    return 0;
}

API cuGraphExecKernelNodeSetParams_v2(Exec *exec, Node *node, const KernelParams *params) {
    for (auto &n : exec->nodes) {
        if (n.first == node && n.second.kernel.function == params->function) {
            n.second.take(*params);
            return 0;
        }
    }
    return 1;
}

API cuGraphLaunch(Exec *exec, void *stream) {
    for (auto &n : exec->nodes) {
        if (int result = run(n.second, stream)) {
            return result;
        }
    }
    return 0;
}

API cuGraphExecDestroy(Exec *exec) {
    delete exec;
    return 0;
}

API cuGraphDestroy(Graph *graph) {
    delete graph;
    return 0;
}

API cuStreamBeginCapture_v2(void *, int) {
    if (captured) {
        return 1;
    }
    captured = new Graph();
    return 0;
}

API cuStreamEndCapture(void *, Graph **graph) {
    *graph = captured;
    captured = nullptr;
    return *graph ? 0 : 1;
}

// For the emulated cuBLAS: keeps a call instead of making it, if a stream is captured.
API quern_emu_capture(void (*call)(const void *), const void *argument, size_t bytes) {
    if (!captured) {
        return 0;
    }
    auto node = std::make_shared<Node>();
    node->call = call;
    node->argument.assign((const char *)argument, (const char *)argument + bytes);
    captured->nodes.push_back(node);
    return 1;
}
