"""The averaged network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from VQSegLib.methods.mean_teacher import build_teacher_network, update_teacher


class Student(nn.Module):
    """Parameter, float buffer and integer buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("codebook", torch.ones(3))


def test_the_teacher_is_a_frozen_copy_that_shares_nothing() -> None:
    student = Student().train()
    teacher = build_teacher_network(student)
    assert not teacher.training
    assert student.training
    own = {t.untyped_storage().data_ptr() for t in teacher.state_dict().values()}
    assert own.isdisjoint(t.untyped_storage().data_ptr() for t in student.state_dict().values())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(parameter.requires_grad for parameter in student.parameters())


def test_the_first_update_makes_them_equal() -> None:
    student, teacher = Student(), build_teacher_network(Student())
    update_teacher(teacher, student, 0, 0.99)
    assert all(torch.equal(value, teacher.state_dict()[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(("step", "decay"), [(1, 0.5), (3, 0.75), (98, 98 / 99), (500, 0.99)])
def test_the_decay_grows_to_its_final_value(step: int, decay: float) -> None:
    student = Student()
    teacher = build_teacher_network(student)
    with torch.no_grad():
        student.linear.weight.add_(1)
    before = teacher.linear.weight.clone()
    update_teacher(teacher, student, step, 0.99)
    assert torch.allclose(teacher.linear.weight, decay * before + (1 - decay) * student.linear.weight, atol=1e-6)


def test_float_buffers_lie_between_start_and_student_and_counters_are_copied() -> None:
    student = Student().train()
    teacher = build_teacher_network(student)
    for step in range(1, 6):
        student.norm(torch.randn(8, 2) + 5)
        student.codebook += 1
        update_teacher(teacher, student, step, 0.9)
    assert bool((teacher.codebook > 1).all())
    assert bool((teacher.codebook < student.codebook).all())
    assert bool((teacher.norm.running_mean > 0).all())
    assert bool((teacher.norm.running_mean < student.norm.running_mean).all())
    assert int(teacher.norm.num_batches_tracked) == int(student.norm.num_batches_tracked) == 5


def test_the_student_is_not_touched() -> None:
    student = Student()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    update_teacher(build_teacher_network(Student()), student, 3, 0.9)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
