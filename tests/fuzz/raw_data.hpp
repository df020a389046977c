#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <hdf5.h>

#include "fuzz/hostile.hpp"

/// Damage to what an HDF5 file holds, not to how it holds it: libhdf5 1.10 itself crashes on damaged metadata
/// (README, Limits), and on damaged references to texts in its heap, so only numbers are ours to answer for.
namespace mpira::fuzz {

struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// Where the values of the contiguous datasets of numbers of a file lie.
inline std::vector<Extent> raw_extents(std::filesystem::path const& file) {
    std::vector<Extent> found;
    hid_t const opened = H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    auto const visit = [](hid_t group, char const* name, H5O_info_t const* info, void* into) -> herr_t {
        if (info->type != H5O_TYPE_DATASET) return 0;
        hid_t const dataset = H5Dopen2(group, name, H5P_DEFAULT);
        hid_t const type = H5Dget_type(dataset);
        bool const is_text =
            H5Tdetect_class(type, H5T_STRING) > 0 || H5Tdetect_class(type, H5T_REFERENCE) > 0;
        H5Tclose(type);
        haddr_t const offset = H5Dget_offset(dataset);
        if (offset != HADDR_UNDEF && !is_text)
            static_cast<std::vector<Extent>*>(into)->push_back({offset, H5Dget_storage_size(dataset)});
        H5Dclose(dataset);
        return 0;
    };
    H5Ovisit(opened, H5_INDEX_NAME, H5_ITER_NATIVE, visit, &found);
    H5Fclose(opened);
    return found;
}

/// `pristine` with patches, written over `file`: of the input, 3 bytes choose a place, one a length, and the
/// bytes that follow go there.
inline void write_damaged(std::string const& pristine, std::vector<Extent> const& extents, Bytes input,
                          std::filesystem::path const& file) {
    auto damaged = pristine;
    std::uint64_t all = 0;
    for (auto const& extent : extents) all += extent.bytes;
    while (input.size() > 4 && all > 0) {
        auto place = (input[0] | static_cast<std::uint64_t>(input[1]) << 8U |
                      static_cast<std::uint64_t>(input[2]) << 16U) %
                     all;
        auto const length = std::min<std::size_t>(input.size() - 4, 1U + input[3] % 16U);
        auto const* extent = extents.data();
        for (; place >= extent->bytes; ++extent) place -= extent->bytes;
        auto const fits = std::min<std::uint64_t>(length, extent->bytes - place);
        std::memcpy(damaged.data() + extent->offset + place, input.data() + 4, fits);
        input = input.subspan(4 + length);
    }
    std::ofstream(file, std::ios::binary) << damaged;
}

inline std::string whole(std::filesystem::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace mpira::fuzz
