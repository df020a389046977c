#pragma once

#include <filesystem>

/// The real data that launch/setup fetches (spec/default-data.md): chr2R of dm3, JASPAR, ChIP peaks.
namespace mpira::genome::real {

inline std::filesystem::path data() {
    return MPIRA_DATA;
}
inline std::filesystem::path chr2r() {
    return data() / "debian/usr/share/doc/augustus/tutorial/data/chr2R.fa";
}
inline std::filesystem::path jaspar() {
    return data() / "python/pyjaspar/data/JASPAR2024.sqlite";
}
inline std::filesystem::path peaks(char const* set) {
    return data() / "python/pybedtools/test/data" / (std::string(set) + "_Bushey_2009.bed");
}

}  // namespace mpira::genome::real
