#include "mpira/model/script.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <span>
#include <sstream>
#include <utility>

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linspace.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_file.hpp"
#include "mpira/base/sha256.hpp"
#include "mpira/base/text.hpp"
#include "mpira/model/weights.hpp"

#include "script_model.hpp"

namespace mpira::model {
namespace {

namespace fs = std::filesystem;

/// The last line that says anything: TorchScript puts a traceback of the user's code before it.
std::string last_line(std::string_view message) {
    std::string_view last;
    for (auto const line : text::split(message, '\n'))
        if (auto const trimmed = text::trim(line); !trimmed.empty()) last = trimmed;
    return std::string(last);
}

/// What LibTorch throws while reading or running a script, as ours.
template <typename Body>
auto in_script(Origin origin, std::string const& what, Body&& body) {
    try {
        return std::forward<Body>(body)();
    } catch (Error const&) {
        throw;
    } catch (c10::Error const& error) {
        throw Error(origin, fmt::format("{}: {}", what, last_line(error.what_without_backtrace())));
    } catch (std::exception const& error) {
        throw Error(origin, fmt::format("{}: {}", what, last_line(error.what())));
    }
}

/// The bytes of a file that may run. They are hashed, and what was hashed is what is loaded.
class TrustedFile {
public:
    TrustedFile(fs::path const& file, ScriptTrust const& trust) : path_(file), mapped_(file) {
        if (!trust.allowed)
            fail_usage(
                fmt::format("{} is TorchScript: a program, which would run with your rights. If you know "
                            "where it comes from, allow it: model.allow_torchscript = true",
                            file.string()));
        auto const bytes = mapped_.bytes();
        copy_.assign(bytes.size(), '\0');
        if (!bytes.empty()) std::memcpy(copy_.data(), bytes.data(), bytes.size());
        hash_ = sha256(std::as_bytes(std::span(copy_.data(), copy_.size())));
        if (!trust.sha256.empty() && std::ranges::find(trust.sha256, hash_) == trust.sha256.end())
            fail_usage(fmt::format("{} has the SHA-256 {}, which is not among model.torchscript_sha256",
                                   file.string(), hash_));
    }

    [[nodiscard]] std::string const& hash() const noexcept { return hash_; }
    [[nodiscard]] std::string name() const { return path_.string(); }
    [[nodiscard]] std::istringstream stream() const { return std::istringstream(copy_); }

private:
    fs::path path_;
    MappedFile mapped_;
    std::string copy_;
    std::string hash_;
};

nlohmann::json contract_of(TrustedFile const& file) {
    auto const text = in_script(Origin::usage, file.name() + " is not a TorchScript file", [&] {
        auto in = file.stream();
        caffe2::serialize::PyTorchStreamReader reader(&in);
        auto const record = fmt::format("extra/{}", kScriptContract);
        if (!reader.hasRecord(record))
            fail_usage(
                fmt::format("{} declares no tensor contract: torch.jit.save(model, file, "
                            "_extra_files={{'{}': ...}}) puts one in (jobs/README.md)",
                            file.name(), kScriptContract));
        auto const [data, size] = reader.getRecord(record);
        return std::string(static_cast<char const*>(data.get()), size);
    });
    try {
        return nlohmann::json::parse(text);
    } catch (nlohmann::json::exception const& error) {
        fail_usage(fmt::format("{}: {} is no JSON ({})", file.name(), kScriptContract, error.what()));
    }
}

ModelCard card_of(TrustedFile const& file) {
    auto contract = contract_of(file);
    if (contract.is_object()) {
        contract["content_hash"] = "sha256:" + file.hash();
        for (auto const& [key, value] : {std::pair("parents", nlohmann::json::array()),
                                         std::pair("output_names", nlohmann::json::array()),
                                         std::pair("training", nlohmann::json::object())})
            if (!contract.contains(key)) contract[key] = value;
    }
    try {
        auto card = contract.get<ModelCard>();
        if (!card.script)
            fail_usage(fmt::format("architecture.network is a {}, expected TorchScript", card.network()));
        return card;
    } catch (Error const& error) {
        fail_usage(fmt::format("{}: {}: {}", file.name(), kScriptContract, error.what()));
    }
}

std::string shape_text(at::IntArrayRef shape) {
    return fmt::format("({})", fmt::join(shape.begin(), shape.end(), ", "));
}

}  // namespace

bool is_script(fs::path const& file) {
    constexpr std::string_view kZip{"PK\x03\x04"};
    std::array<char, kZip.size()> start{};
    std::ifstream in(file, std::ios::binary);
    in.read(start.data(), start.size());
    return in.good() && std::string_view(start.data(), start.size()) == kZip;
}

ModelCard read_card(fs::path const& file, ScriptTrust const& trust) {
    return is_script(file) ? card_of(TrustedFile(file, trust)) : Weights(file).card();
}

struct ScriptModel::Program {
    std::string name;
    ModelCard card;
    torch::jit::Module module;

    void require_forward() const;
};

void ScriptModel::Program::require_forward() const {
    auto const found = module.find_method("forward");
    require(found.has_value(), fmt::format("{}: the module has no forward", name));
    auto const& schema = found->function().getSchema();
    auto const& arguments = schema.arguments();
    auto const is_tensor = [](c10::Argument const& argument) {
        return argument.type()->isSubtypeOf(*c10::TensorType::get());
    };
    bool const takes_one = arguments.size() >= 2 && is_tensor(arguments[1]) &&
                           std::all_of(arguments.begin() + 2, arguments.end(), [](auto const& argument) {
                               return argument.default_value().has_value();
                           });
    bool const gives_one = schema.returns().size() == 1 && is_tensor(schema.returns().front());
    require(takes_one && gives_one, fmt::format("{}: forward must take one tensor and return one, this is {}",
                                                name, c10::str(schema)));
}

ScriptModel::ScriptModel(fs::path const& file, ScriptTrust const& trust, at::Device device)
    : program_(std::make_shared<Program>()) {
    TrustedFile const trusted(file, trust);
    program_->name = trusted.name();
    program_->card = card_of(trusted);
    // Its parameters must be ordinary tensors, which gradients may pass.
    c10::InferenceMode const ordinary(false);
    in_script(Origin::usage, trusted.name() + " can't be loaded", [&] {
        auto in = trusted.stream();
        program_->module = torch::jit::load(in, device);
        program_->module.eval();
        for (auto const& parameter : program_->module.parameters()) parameter.requires_grad_(false);
        return 0;
    });
    program_->require_forward();
}

at::Tensor ScriptModel::forward(at::Tensor const& x) const {
    // Unoptimised: the optimiser rewrites a graph after its first runs, and with it the last bits.
    torch::jit::GraphOptimizerEnabledGuard const as_written(false);
    auto out = in_script(Origin::torch, program_->name + ": forward",
                         [&] { return program_->module.forward({x}).toTensor(); });
    std::array const expected{x.size(0), x.size(1), card().architecture.outputs};
    if (out.sizes() != at::IntArrayRef(expected) || out.scalar_type() != at::kFloat)
        throw Error(Origin::torch,
                    fmt::format("{}: forward of float32 {} returns {} {}, its contract promises "
                                "float32 {}",
                                program_->name, shape_text(x.sizes()), c10::toString(out.scalar_type()),
                                shape_text(out.sizes()), shape_text(expected)));
    return out;
}

void ScriptModel::try_out(bool gradients) const {
    auto const& net = card().architecture;
    auto const name = program_->name;
    auto const run = [&](at::Tensor const& input) {
        try {
            return forward(input);
        } catch (Error const& error) {
            throw Error(Origin::usage, error.what());
        }
    };
    auto x = at::linspace(0, 1, 2 * card().window * net.features, at::kFloat)
                 .view({2, card().window, net.features});
    x.select(2, net.motifs()).fill_(1);
    auto const before = x.clone();
    auto const out = run(x);
    require(at::isfinite(out).all().item<bool>(),
            fmt::format("{}: forward of finite values returns values that are not", name));
    require(at::equal(x, before), fmt::format("{}: forward changes its input", name));
    require(
        at::equal(out, run(x)),
        fmt::format("{}: forward gives other values for the same input each time: export it in eval mode, "
                    "without random numbers",
                    name));
    require(at::allclose(run(x.narrow(0, 1, 1)), out.narrow(0, 1, 1), 1e-3, 1e-4),
            fmt::format("{}: what forward gives for a window depends on the others of its batch", name));
    if (!gradients) return;
    x.requires_grad_(true);
    auto const again = run(x);
    bool const follows =
        again.requires_grad() && in_script(Origin::usage, name + ": backward", [&] {
            return torch::autograd::grad({again.select(1, card().focus).sum()}, {x}, {}, {}, false, true)[0]
                .defined();
        });
    require(follows,
            fmt::format("{}: forward's result can't be differentiated by its input (is there a detach, "
                        "no_grad or a cast to integers in it?)",
                        name));
}

void try_script(fs::path const& file, ScriptTrust const& trust, bool gradients) {
    c10::InferenceMode const ordinary(false);
    c10::AutoGradMode const recording(gradients);
    ScriptModel(file, trust, at::kCPU).try_out(gradients);
}

ModelCard const& ScriptModel::card() const noexcept {
    return program_->card;
}

}  // namespace mpira::model
