#include "jobs/script_trust.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "mpira/base/log.hpp"

namespace mpira::jobs {

std::vector<SettingSpec> script_settings() {
    return {
        {"model.allow_torchscript", SettingKind::flag, false,
         "Weights may also be TorchScript files that declare their tensor contract (jobs/README.md). They "
         "are "
         "programs and run with your rights: allow files whose origin you know.",
         Affects::run},
        {"model.torchscript_sha256", SettingKind::texts, std::vector<std::string>{},
         "SHA-256 of the TorchScript files that may run (sha256sum prints it); empty: any.", Affects::run},
    };
}

model::ScriptTrust script_trust(Settings const& settings) {
    model::ScriptTrust trust;
    trust.allowed = settings.flag("model.allow_torchscript");
    for (auto hash : settings.texts("model.torchscript_sha256")) {
        std::ranges::transform(hash, hash.begin(),
                               [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
        if (hash.size() != 64 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
            settings.refuse("model.torchscript_sha256",
                            fmt::format("'{}' is no SHA-256: 64 hex digits, as sha256sum prints", hash));
        trust.sha256.push_back(hash);
    }
    return trust;
}

model::ModelCard read_model(std::filesystem::path const& file, Settings const& settings, bool gradients) {
    auto const trust = script_trust(settings);
    auto card = model::read_card(file, trust);
    if (!card.script) return card;
    if (settings.text("model.precision") != "f32")
        settings.refuse("model.precision",
                        fmt::format("{} is TorchScript, which computes in its own types; leave it at f32",
                                    file.string()));
    log::info("{} is TorchScript ({}): its code runs in this process", file.string(), card.content_hash);
    model::try_script(file, trust, gradients);
    return card;
}

}  // namespace mpira::jobs
