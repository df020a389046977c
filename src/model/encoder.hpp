#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/model/get.hpp"

#include "linear_map.hpp"

namespace mpira::model {

/// The encoder of a GET on windows that are read at one token each, forward and backward through its input:
/// what predictors run. Equal to Get::forward and its gradient but for float noise.
///
/// Made for few passes over memory, on the host and on a GPU. What the weights alone decide is computed once,
/// in f32: the weight and bias of a LayerNorm go into the linear map behind it; the residual sum z is kept
/// without the biases that blocks add to it (`shift`: the same for every token), so that each branch is added
/// by the matrix product itself. The final norm and the head compute in f32, and where activations are bf16
/// the sum z of the read token is kept in f32 beside the others': rounding it 2 depth times is nearly all
/// that bf16 costs in accuracy (README.md). The backward is written out: no gradient of a weight, nothing
/// that autograd would copy together. Buffers are kept between calls where the library writes into memory
/// that it is given: fresh ones cost page faults.
///
/// B: windows, N: tokens of each with CLS first, M = B N, D: dim, H: hidden, T: outputs. One call at a time,
/// inside in_torch.
class Encoder {
public:
    /// `full`: the weights in f32, on the device. `type`: of activations. `one_query`: the last block
    /// computes only what the read token needs. `products`, `any_order`: see Compute.
    Encoder(Get full, at::ScalarType type, bool one_query, Products products = Products::onednn,
            bool any_order = false);

    /// Queries, keys and values of block 1, (n, D) -> (n, 3 D): there a token does not see its neighbours.
    [[nodiscard]] at::Tensor first_projections(at::Tensor const& tokens) const;

    /// The read tokens at one of embedding_layers().
    struct Tap {
        std::int64_t layer = 0;
        at::Tensor tokens;  // (B, D), set by read
    };
    /// `z` (B, N, D): tokens before block 1, contiguous; what it holds
    /// afterwards is undefined. `first_qkv` (B, N, 3 D): their
    /// first_projections, or undefined. `focus` (B): which row of (M, D) is read -> (B, T) f32.
    [[nodiscard]] at::Tensor read(at::Tensor const& z, at::Tensor const& first_qkv, at::Tensor const& focus,
                                  Tap* tap = nullptr);

    /// d out[b, output[b]] / d z[b] for every b, (B, N, D) of `type`: holds until the next call. `output` (B,
    /// 1). Ordinary tensors only, none of inference mode.
    [[nodiscard]] at::Tensor gradient(at::Tensor const& z, at::Tensor const& focus, at::Tensor const& output,
                                      at::Tensor* predicted);

private:
    /// Of one block in f32: (3 D, D) and (H, D) with the weight and bias of the norm before them, (D, D),
    /// (D, H).
    struct FullWeights {
        at::Tensor qkv, qkv_bias, proj, fc1, fc1_bias, fc2;
    };
    struct Block {
        LinearMap qkv, proj, fc1, fc2;  // no qkv where last_q_ and last_kv_ are enough
        at::Tensor shift1, shift2;      // (D) f32: what z lacks before norm1 and before norm2
    };
    /// The gradient at a map's result -> that at what it was given.
    struct BlockBackward {
        LinearMap q, k, v, proj, fc1, fc2;
    };
    /// What a block leaves for its backward. Without one, all blocks use the first block's.
    struct Room {
        Buffer h1, scale1, qkv, h2, scale2, hidden;
        at::Tensor q, k, v, mixed;  // (B, heads, N, d); the graph of the attention alone
    };

    /// The tokens that are read: rows (B) of (M, D), and what z has there, (B, D) f32, where z is narrower.
    struct ReadTokens {
        at::Tensor rows, z;
    };

    [[nodiscard]] at::Tensor final_tokens(at::Tensor const& z, at::Tensor const& first_qkv,
                                          at::Tensor const& focus, Tap* tap, bool keeps);
    /// z (n, D) -> normalised rows, in `h`; those of `read` from its own z. `read` may be null.
    at::Tensor const& normalised(at::Tensor const& z, at::Tensor const& shift, Buffer& h, Buffer& scale,
                                 bool keeps, ReadTokens const* read) const;
    /// z += branch W^T, and the same at `read`.
    static void add_branch(at::Tensor& z, at::Tensor const& branch, LinearMap const& map, ReadTokens* read);
    [[nodiscard]] static at::Tensor tokens_at(at::Tensor const& z, ReadTokens const& read);  // (B, D)
    /// (B, heads, N, d) -> (B N, D): a view, where LibTorch laid the heads of a token side by side.
    [[nodiscard]] static at::Tensor rows_of(at::Tensor const& by_head);
    /// q, k, v of `room` -> (B Nq, D).
    [[nodiscard]] at::Tensor mix(Room& room, bool keeps) const;
    void add_attention(std::size_t block, at::Tensor& z, at::Tensor const& qkv, Room& room, ReadTokens& read,
                       bool keeps) const;
    void add_feed_forward(std::size_t block, at::Tensor& z, Room& room, ReadTokens* read, bool keeps);
    [[nodiscard]] at::Tensor read_by_last_block(at::Tensor const& z, at::Tensor const& first_qkv, Room& room,
                                                ReadTokens const& read, bool keeps);
    [[nodiscard]] at::Tensor head(at::Tensor const& tokens) const;

    [[nodiscard]] at::Tensor head_gradient(at::Tensor const& tokens, at::Tensor const& output,
                                           at::Tensor* predicted) const;
    /// The maps of the backward, made when the first gradient is asked for.
    void prepare_backward();
    void feed_forward_backward(std::size_t block, at::Tensor const& gradient, Room const& room);
    /// The gradient at what `mix` returned, by head -> those at q, k and v; the graph is used up.
    [[nodiscard]] std::vector<at::Tensor> mix_backward(Room& room, at::Tensor const& gradient) const;
    void attention_backward(std::size_t block, at::Tensor const& gradient, Room& room, std::int64_t windows);
    [[nodiscard]] at::Tensor last_block_backward(at::Tensor const& gradient, at::Tensor const& focus,
                                                 Room& room, std::int64_t windows);

    [[nodiscard]] FullWeights full_weights(std::size_t block) const;
    [[nodiscard]] LinearMap map(at::Tensor const& weight, at::Tensor const& bias = {}) const;
    [[nodiscard]] at::Tensor heads_of(at::Tensor const& rows, std::int64_t windows, std::int64_t first) const;
    [[nodiscard]] at::TensorOptions like() const { return full_.embed_weight.options().dtype(type_); }

    Get full_;
    at::ScalarType type_;
    bool one_query_;
    bool in_order_;
    Products products_;
    std::vector<Block> blocks_;
    LinearMap last_q_, last_kv_;           // of the last block: rows of its qkv
    std::vector<BlockBackward> backward_;  // empty until the first gradient
    at::Tensor last_shift_;                // (D) f32
    std::vector<Room> rooms_;
    Buffer active_;                                     // behind GELU, where `hidden` is kept
    Buffer gradient_, hidden_gradient_, row_gradient_;  // at z; at the hidden layer; at rows of D
};

}  // namespace mpira::model
