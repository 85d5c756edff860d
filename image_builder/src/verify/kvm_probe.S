# The program that kvm.rs boots to see whether KVM computes at the speed of the processor.
#
#   as --64 -o probe.o kvm_probe.S
#   ld -m elf_x86_64 -Ttext 0x7c00 --oformat binary -o probe.img probe.o
#
# A test holds the bytes in kvm.rs against this source.

    .set COUNT, 20000000

    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp

    # Page tables at 0x1000, 0x2000 and 0x3000: the first two megabytes, where they are.
    movw $0x1000, %di
    movw $0x3000, %cx
    rep stosb
    movw $0x2003, 0x1000
    movw $0x3003, 0x2000
    movw $0x0083, 0x3000

    lgdt gdtr
    movl $0x20, %eax            # CR4: physical address extension
    movl %eax, %cr4
    movl $0x1000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      # EFER: long mode
    rdmsr
    orw $0x100, %ax
    wrmsr
    movl $0x80000001, %eax      # CR0: paging and protection
    movl %eax, %cr0
    ljmp $8, $long

    .code64
long:
    movl $COUNT, %ecx
1:  movl %ecx, %eax
    shll $3, %eax
    andl $0xfff8, %eax
    addl $0x10000, %eax
    movq %rcx, (%rax)
    decl %ecx
    jnz 1b

    movb $0x10, %al             # isa-debug-exit: status 0x21
    outb %al, $0xf4
2:  hlt
    jmp 2b

    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000    # 64-bit code
gdtr:
    .word 15
    .long gdt

    .org 510
    .word 0xaa55
