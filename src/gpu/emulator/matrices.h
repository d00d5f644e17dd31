// The tensor core's instructions, on the registers of the 32 lanes of a warp. A part of emulator.cpp.
#pragma once

#include "emulator.h"

namespace {
float element(uint32_t word, unsigned half) { return __uint_as_float((half ? word >> 16 : word & 0xffff) << 16); }

struct Mma {
    float (&d)[4];
    const uint32_t (&a)[4];
    const uint32_t (&b)[2];

    static void run(unsigned, void **payloads) {
        float a[16][16], b[16][8];
        for (unsigned lane = 0; lane < 32; lane++) {
            const Mma &mma = *static_cast<Mma *>(payloads[lane]);
            unsigned g = lane / 4, t = lane % 4;
            for (unsigned half = 0; half < 2; half++) {
                unsigned k = 2 * t + half;
                a[g][k] = element(mma.a[0], half), a[g + 8][k] = element(mma.a[1], half);
                a[g][k + 8] = element(mma.a[2], half), a[g + 8][k + 8] = element(mma.a[3], half);
                b[k][g] = element(mma.b[0], half), b[k + 8][g] = element(mma.b[1], half);
            }
        }
        for (unsigned lane = 0; lane < 32; lane++) {
            const Mma &mma = *static_cast<Mma *>(payloads[lane]);
            for (unsigned i = 0; i < 4; i++) {
                unsigned row = lane / 4 + i / 2 * 8, column = 2 * (lane % 4) + i % 2;
                for (unsigned k = 0; k < 16; k++) mma.d[i] += a[row][k] * b[k][column];
            }
        }
    }
};

struct Load {
    uint32_t (&d)[4];
    const void *row;

    template <bool TRANSPOSED>
    static void run(unsigned, void **payloads) {
        for (unsigned matrix = 0; matrix < 4; matrix++) {
            uint16_t rows[8][8];
            for (unsigned i = 0; i < 8; i++) {
                std::memcpy(rows[i], static_cast<Load *>(payloads[8 * matrix + i])->row, sizeof(rows[i]));
            }
            for (unsigned lane = 0; lane < 32; lane++) {
                unsigned r = lane / 4, c = 2 * (lane % 4);
                uint32_t low = TRANSPOSED ? rows[c][r] : rows[r][c];
                uint32_t high = TRANSPOSED ? rows[c + 1][r] : rows[r][c + 1];
                static_cast<Load *>(payloads[lane])->d[matrix] = low | high << 16;
            }
        }
    }
};
} // namespace

void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    Mma mma{d, a, b};
    emulator::together(0xffffffffu, &Mma::run, &mma);
}

void load_matrices(uint32_t (&d)[4], const void *row) {
    Load load{d, row};
    emulator::together(0xffffffffu, &Load::run<false>, &load);
}

void load_matrices_transposed(uint32_t (&d)[4], const void *row) {
    Load load{d, row};
    emulator::together(0xffffffffu, &Load::run<true>, &load);
}
