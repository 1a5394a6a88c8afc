// Generated from contracts/src/PaymentGateway.sol by contracts/build.ts. Do not edit.
export const paymentGatewayAbi = [
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "trustedForwarder_",
        "type": "address"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "constructor"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint48",
        "name": "deadline",
        "type": "uint48"
      },
      {
        "internalType": "uint256",
        "name": "timestamp",
        "type": "uint256"
      }
    ],
    "name": "AuthorizationExpired",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "available",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "required",
        "type": "uint256"
      }
    ],
    "name": "BatchGasTooLow",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "InvalidAmount",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "payer",
        "type": "address"
      }
    ],
    "name": "InvalidAuthorization",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "forwarder",
        "type": "address"
      }
    ],
    "name": "InvalidForwarder",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "merchant",
        "type": "address"
      }
    ],
    "name": "InvalidMerchant",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "merchant",
        "type": "address"
      }
    ],
    "name": "InvalidRefundAuthorization",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "InvalidShortString",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      }
    ],
    "name": "InvalidToken",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "caller",
        "type": "address"
      }
    ],
    "name": "OnlySelf",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "payer",
        "type": "address"
      }
    ],
    "name": "PayerIsMerchant",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "address",
        "name": "payer",
        "type": "address"
      }
    ],
    "name": "PaymentAlreadyProcessed",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint48",
        "name": "expiresAt",
        "type": "uint48"
      },
      {
        "internalType": "uint256",
        "name": "timestamp",
        "type": "uint256"
      }
    ],
    "name": "PaymentExpired",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      }
    ],
    "name": "PaymentNotProcessed",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "ReentrancyGuardReentrantCall",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint256",
        "name": "requested",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "refunded",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "paid",
        "type": "uint256"
      }
    ],
    "name": "RefundExceedsPayment",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      },
      {
        "internalType": "uint48",
        "name": "deadline",
        "type": "uint48"
      },
      {
        "internalType": "uint256",
        "name": "timestamp",
        "type": "uint256"
      }
    ],
    "name": "RefundExpired",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      }
    ],
    "name": "RefundNonceUsed",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "token",
        "type": "address"
      }
    ],
    "name": "SafeERC20FailedOperation",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "string",
        "name": "str",
        "type": "string"
      }
    ],
    "name": "StringTooLong",
    "type": "error"
  },
  {
    "anonymous": false,
    "inputs": [],
    "name": "EIP712DomainChanged",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "payer",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "merchant",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "address",
        "name": "token",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "PaymentProcessed",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "bytes",
        "name": "reason",
        "type": "bytes"
      }
    ],
    "name": "PaymentRejected",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "merchant",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "payer",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "address",
        "name": "token",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      }
    ],
    "name": "RefundProcessed",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "bytes",
        "name": "reason",
        "type": "bytes"
      }
    ],
    "name": "RefundRejected",
    "type": "event"
  },
  {
    "inputs": [],
    "name": "BATCH_ITEM_GAS",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "eip712Domain",
    "outputs": [
      {
        "internalType": "bytes1",
        "name": "fields",
        "type": "bytes1"
      },
      {
        "internalType": "string",
        "name": "name",
        "type": "string"
      },
      {
        "internalType": "string",
        "name": "version",
        "type": "string"
      },
      {
        "internalType": "uint256",
        "name": "chainId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "verifyingContract",
        "type": "address"
      },
      {
        "internalType": "bytes32",
        "name": "salt",
        "type": "bytes32"
      },
      {
        "internalType": "uint256[]",
        "name": "extensions",
        "type": "uint256[]"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "components": [
              {
                "internalType": "bytes32",
                "name": "salt",
                "type": "bytes32"
              },
              {
                "internalType": "address",
                "name": "token",
                "type": "address"
              },
              {
                "internalType": "uint256",
                "name": "amount",
                "type": "uint256"
              },
              {
                "internalType": "address",
                "name": "merchant",
                "type": "address"
              },
              {
                "internalType": "uint48",
                "name": "expiresAt",
                "type": "uint48"
              }
            ],
            "internalType": "struct IPaymentGateway.PaymentTerms",
            "name": "terms",
            "type": "tuple"
          },
          {
            "internalType": "address",
            "name": "payer",
            "type": "address"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IPaymentGateway.PaymentExecution",
        "name": "execution",
        "type": "tuple"
      }
    ],
    "name": "executeBatchItem",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "components": [
              {
                "internalType": "bytes32",
                "name": "salt",
                "type": "bytes32"
              },
              {
                "internalType": "address",
                "name": "token",
                "type": "address"
              },
              {
                "internalType": "uint256",
                "name": "amount",
                "type": "uint256"
              },
              {
                "internalType": "address",
                "name": "merchant",
                "type": "address"
              },
              {
                "internalType": "uint48",
                "name": "expiresAt",
                "type": "uint48"
              }
            ],
            "internalType": "struct IPaymentGateway.PaymentTerms",
            "name": "terms",
            "type": "tuple"
          },
          {
            "internalType": "address",
            "name": "payer",
            "type": "address"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IPaymentGateway.PaymentExecution",
        "name": "execution",
        "type": "tuple"
      }
    ],
    "name": "executePayment",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "components": [
              {
                "internalType": "bytes32",
                "name": "salt",
                "type": "bytes32"
              },
              {
                "internalType": "address",
                "name": "token",
                "type": "address"
              },
              {
                "internalType": "uint256",
                "name": "amount",
                "type": "uint256"
              },
              {
                "internalType": "address",
                "name": "merchant",
                "type": "address"
              },
              {
                "internalType": "uint48",
                "name": "expiresAt",
                "type": "uint48"
              }
            ],
            "internalType": "struct IPaymentGateway.PaymentTerms",
            "name": "terms",
            "type": "tuple"
          },
          {
            "internalType": "address",
            "name": "payer",
            "type": "address"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IPaymentGateway.PaymentExecution[]",
        "name": "executions",
        "type": "tuple[]"
      }
    ],
    "name": "executePayments",
    "outputs": [
      {
        "components": [
          {
            "internalType": "bool",
            "name": "success",
            "type": "bool"
          },
          {
            "internalType": "bytes",
            "name": "reason",
            "type": "bytes"
          }
        ],
        "internalType": "struct BatchResult[]",
        "name": "results",
        "type": "tuple[]"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "components": [
              {
                "internalType": "bytes32",
                "name": "salt",
                "type": "bytes32"
              },
              {
                "internalType": "address",
                "name": "token",
                "type": "address"
              },
              {
                "internalType": "uint256",
                "name": "amount",
                "type": "uint256"
              },
              {
                "internalType": "address",
                "name": "merchant",
                "type": "address"
              },
              {
                "internalType": "uint48",
                "name": "expiresAt",
                "type": "uint48"
              }
            ],
            "internalType": "struct IPaymentGateway.PaymentTerms",
            "name": "terms",
            "type": "tuple"
          },
          {
            "internalType": "uint256",
            "name": "amount",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "nonce",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IPaymentGateway.RefundExecution",
        "name": "execution",
        "type": "tuple"
      }
    ],
    "name": "executeRefund",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "components": [
              {
                "internalType": "bytes32",
                "name": "salt",
                "type": "bytes32"
              },
              {
                "internalType": "address",
                "name": "token",
                "type": "address"
              },
              {
                "internalType": "uint256",
                "name": "amount",
                "type": "uint256"
              },
              {
                "internalType": "address",
                "name": "merchant",
                "type": "address"
              },
              {
                "internalType": "uint48",
                "name": "expiresAt",
                "type": "uint48"
              }
            ],
            "internalType": "struct IPaymentGateway.PaymentTerms",
            "name": "terms",
            "type": "tuple"
          },
          {
            "internalType": "uint256",
            "name": "amount",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "nonce",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IPaymentGateway.RefundExecution",
        "name": "execution",
        "type": "tuple"
      }
    ],
    "name": "executeRefundBatchItem",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "components": [
              {
                "internalType": "bytes32",
                "name": "salt",
                "type": "bytes32"
              },
              {
                "internalType": "address",
                "name": "token",
                "type": "address"
              },
              {
                "internalType": "uint256",
                "name": "amount",
                "type": "uint256"
              },
              {
                "internalType": "address",
                "name": "merchant",
                "type": "address"
              },
              {
                "internalType": "uint48",
                "name": "expiresAt",
                "type": "uint48"
              }
            ],
            "internalType": "struct IPaymentGateway.PaymentTerms",
            "name": "terms",
            "type": "tuple"
          },
          {
            "internalType": "uint256",
            "name": "amount",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "nonce",
            "type": "uint256"
          },
          {
            "internalType": "uint48",
            "name": "deadline",
            "type": "uint48"
          },
          {
            "components": [
              {
                "internalType": "uint256",
                "name": "value",
                "type": "uint256"
              },
              {
                "internalType": "uint256",
                "name": "deadline",
                "type": "uint256"
              },
              {
                "internalType": "uint8",
                "name": "v",
                "type": "uint8"
              },
              {
                "internalType": "bytes32",
                "name": "r",
                "type": "bytes32"
              },
              {
                "internalType": "bytes32",
                "name": "s",
                "type": "bytes32"
              }
            ],
            "internalType": "struct Permit",
            "name": "permit",
            "type": "tuple"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IPaymentGateway.RefundExecution[]",
        "name": "executions",
        "type": "tuple[]"
      }
    ],
    "name": "executeRefunds",
    "outputs": [
      {
        "components": [
          {
            "internalType": "bool",
            "name": "success",
            "type": "bool"
          },
          {
            "internalType": "bytes",
            "name": "reason",
            "type": "bytes"
          }
        ],
        "internalType": "struct BatchResult[]",
        "name": "results",
        "type": "tuple[]"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      },
      {
        "internalType": "uint256",
        "name": "nonce",
        "type": "uint256"
      }
    ],
    "name": "isRefundNonceUsed",
    "outputs": [
      {
        "internalType": "bool",
        "name": "used",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "forwarder",
        "type": "address"
      }
    ],
    "name": "isTrustedForwarder",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "bytes32",
            "name": "salt",
            "type": "bytes32"
          },
          {
            "internalType": "address",
            "name": "token",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "amount",
            "type": "uint256"
          },
          {
            "internalType": "address",
            "name": "merchant",
            "type": "address"
          },
          {
            "internalType": "uint48",
            "name": "expiresAt",
            "type": "uint48"
          }
        ],
        "internalType": "struct IPaymentGateway.PaymentTerms",
        "name": "terms",
        "type": "tuple"
      }
    ],
    "name": "pay",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "bytes32",
            "name": "salt",
            "type": "bytes32"
          },
          {
            "internalType": "address",
            "name": "token",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "amount",
            "type": "uint256"
          },
          {
            "internalType": "address",
            "name": "merchant",
            "type": "address"
          },
          {
            "internalType": "uint48",
            "name": "expiresAt",
            "type": "uint48"
          }
        ],
        "internalType": "struct IPaymentGateway.PaymentTerms",
        "name": "terms",
        "type": "tuple"
      },
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "value",
            "type": "uint256"
          },
          {
            "internalType": "uint256",
            "name": "deadline",
            "type": "uint256"
          },
          {
            "internalType": "uint8",
            "name": "v",
            "type": "uint8"
          },
          {
            "internalType": "bytes32",
            "name": "r",
            "type": "bytes32"
          },
          {
            "internalType": "bytes32",
            "name": "s",
            "type": "bytes32"
          }
        ],
        "internalType": "struct Permit",
        "name": "permit",
        "type": "tuple"
      }
    ],
    "name": "payWithPermit",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      }
    ],
    "name": "payerOf",
    "outputs": [
      {
        "internalType": "address",
        "name": "payer",
        "type": "address"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "bytes32",
            "name": "salt",
            "type": "bytes32"
          },
          {
            "internalType": "address",
            "name": "token",
            "type": "address"
          },
          {
            "internalType": "uint256",
            "name": "amount",
            "type": "uint256"
          },
          {
            "internalType": "address",
            "name": "merchant",
            "type": "address"
          },
          {
            "internalType": "uint48",
            "name": "expiresAt",
            "type": "uint48"
          }
        ],
        "internalType": "struct IPaymentGateway.PaymentTerms",
        "name": "terms",
        "type": "tuple"
      }
    ],
    "name": "paymentIdOf",
    "outputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      }
    ],
    "name": "processedPayments",
    "outputs": [
      {
        "internalType": "bool",
        "name": "processed",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "paymentId",
        "type": "bytes32"
      }
    ],
    "name": "refundedAmount",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "trustedForwarder",
    "outputs": [
      {
        "internalType": "address",
        "name": "",
        "type": "address"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  }
] as const;

export const paymentGatewayBytecode = '0x610180806040523461018e5760208161293980380380916100208285610192565b83398101031261018e57516001600160a01b0381169081810361018e5760405161004b604082610192565b600681526020810190654d535150617960d01b82526040519161006f604084610192565b600183526020830191603160f81b83528460805261008c816101c9565b61014052610099846101c9565b6101605251902091826101005251902080610120524660c0526040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a0815261010360c082610192565b51902060a0523060e0523b1561017c5760405161270490816102358239608051818181610ab601528181610dd20152611b4a015260a05181612553015260c05181612610015260e05181612524015261010051816125a2015261012051816125c801526101405181610970015261016051816109990152f35b63377bd60b60e21b5f5260045260245ffd5b5f80fd5b601f909101601f19168101906001600160401b038211908210176101b557604052565b634e487b7160e01b5f52604160045260245ffd5b601f8151116101f45760208151910151602082106101e5571790565b5f198260200360031b1b161790565b604460209160405192839163305a27a960e01b83528160048401528051918291826024860152018484015e5f828201840152601f01601f19168101030190fdfe60806040526004361015610011575f80fd5b5f3560e01c80630e725335146113895780630ef279291461124357806318229294146110745780632410827314611016578063346f7a7914610fdb5780634e0bf5b614610df7578063572b6c0514610d645780635730bad714610b7b578063669b0f0914610b335780637614b09d14610ada5780637da0a87714610a6c57806384b0196e1461093a57806386a082e8146108bd578063951782df14610495578063a00b25701461026f578063c6c5ccfb146101385763f3f247eb146100d4575f80fd5b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576004355f526002602052602073ffffffffffffffffffffffffffffffffffffffff60405f2054161515604051908152f35b5f80fd5b346101345760a07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345760243573ffffffffffffffffffffffffffffffffffffffff81169081810361013457506064359073ffffffffffffffffffffffffffffffffffffffff82169182810361013457506084359065ffffffffffff82169283830361013457602093610267935060405191858301937f82a1b9c6030f388b9ca3eafbb4d96d45509d2ead1d083955344a5288078eabd1855260043560408501526060840152604435608084015260a083015260c082015260c0815261022460e08261164e565b51902061022f61250d565b604291604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b604051908152f35b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345760043567ffffffffffffffff8111610134576102be903690600401611529565b6102c6611a28565b6102cf816116d4565b915f5b8281106103105761030c845f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6040519182918261159d565b0390f35b806103fc6103b66103f66103276001958888611930565b6103ca6040519384927f951782df0000000000000000000000000000000000000000000000000000000060208501526020602485015261036a60448501826117df565b60a081013560e485015260c081013561010485015265ffffffffffff61039260e083016117cc565b166101248501526103ab61014485016101008301611855565b6101a081019061188e565b6101c06101e48501526102048401916118de565b037fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0810183528261164e565b8261220d565b15610415578161040c828761191c565b51525b016102d2565b61041d612263565b80602061042a848961191c565b5101527fb9ba71535effddb8eae0a34fdd335c5e48060ccb9f42d7edb92db07e219ccdb961046161045c848888611930565b611983565b9160c061046f858989611930565b013561048d604051928392835260406020840152604083019061155a565b0390a261040f565b34610134576104a336611498565b3033036108915760a081013560c0820135918115610865576104c481611983565b92835f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f2054169182156108395760e081019465ffffffffffff61050487611970565b1642116107e557805f52600460205260405f20835f5260205260ff60405f2054166107b557805f52600360205260405f2054604083013581810381811161078857871161074657506105d960608401976105666105608a61162d565b91611970565b60405165ffffffffffff60208201927fd89e832b537152ed006f5abe7051a72e2d24dc2f908ebf6834addcbeba7f452d84528760408401528b60608401528960808401521660a082015260a081526105bf60c08261164e565b519020906105d16101a0870187611a9c565b9290916122b3565b156106f3576106c796936106c19386888561064b826106ba9773ffffffffffffffffffffffffffffffffffffffff995f52600460205260405f20885f5260205260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00825416179055612200565b815f52600360205260405f20557fc8ec160fb9969a5279d104b320cee3289cba4d74286c7171131c854692f3dd186060886106858c61162d565b60208801986106938a61162d565b968360405198168852602088015260408701521693a46101208101356106c9575b5061162d565b169161162d565b906123e0565b005b6106ed906101006106d98461162d565b91019030906106e78961162d565b906120c5565b886106b4565b73ffffffffffffffffffffffffffffffffffffffff82856107138a61162d565b917fd9c734e7000000000000000000000000000000000000000000000000000000005f526004526024521660445260645ffd5b6084929187604051937fcd7fb2d00000000000000000000000000000000000000000000000000000000085526004850152602484015260448301526064820152fd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b90507f2c83cf31000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b60849065ffffffffffff846107f989611970565b90604051937fd8f7c6b100000000000000000000000000000000000000000000000000000000855260048501526024840152166044820152426064820152fd5b847fc705c221000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b507f3728b83d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7fa19dbf00000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b346101345760a07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576108f4611a28565b6109156108ff611aed565b6109108161090b611b71565b611f07565b61216f565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457610a106109947f00000000000000000000000000000000000000000000000000000000000000006124b6565b6109bd7f00000000000000000000000000000000000000000000000000000000000000006124b6565b6020610a1e604051926109d0838561164e565b5f84525f3681376040519586957f0f00000000000000000000000000000000000000000000000000000000000000875260e08588015260e087019061155a565b90858203604087015261155a565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b828110610a5557505050500390f35b835185528695509381019392810192600101610a46565b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346101345760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576004355f52600460205260405f206024355f52602052602060ff60405f2054166040519015158152f35b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576004355f526003602052602060405f2054604051908152f35b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345760043567ffffffffffffffff811161013457610bca903690600401611529565b90610bd3611a28565b610bdc826116d4565b915f5b818110610c195761030c845f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d6040519182918261159d565b80610ce4610cd06103f6610c30600195878961175f565b6103ca6040519384927f4e0bf5b600000000000000000000000000000000000000000000000000000000602085015260206024850152610c7360448501826117df565b73ffffffffffffffffffffffffffffffffffffffff610c9460a08301611508565b1660e485015265ffffffffffff610cad60c083016117cc565b16610104850152610cc5610124850160e08301611855565b61018081019061188e565b6101a06101c48501526101e48401916118de565b15610cfd5781610cf4828761191c565b51525b01610bdf565b610d05612263565b806020610d12848961191c565b5101527f71cef029c047ac1cd073e3c6836735129a9236f24947d7ed0b91c0a07a0ebcda610d5c610d4761045c85888a61175f565b9260405191829160208352602083019061155a565b0390a2610cf7565b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101345760043573ffffffffffffffffffffffffffffffffffffffff8116809103610134576020906040519073ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016148152f35b3461013457610e0536611428565b3033036108915760a0810190610e1a8261162d565b90610e2481611d22565b9260c082019065ffffffffffff610e3a83611970565b164211610f965784610f0d9165ffffffffffff610e596060870161162d565b9173ffffffffffffffffffffffffffffffffffffffff602088019681610e90610e8a610e848b61162d565b9561162d565b92611970565b93816040519760208901997fff708a4e4db1082003437260af9ba99c9edc5522a36cdda9b6c6726593ad10f58b5260408a0152166060880152166080860152604089013560a08601521660c08401521660e082015260e08152610ef56101008261164e565b519020610f06610180850185611a9c565b91866122b3565b15610f5057610f2083836106c796612000565b610100820135610f31575b506121c1565b610f4a9060e083019084610f45309261162d565b6120c5565b83610f2b565b73ffffffffffffffffffffffffffffffffffffffff83857f60299f94000000000000000000000000000000000000000000000000000000005f526004521660245260445ffd5b65ffffffffffff85610fa784611970565b907f26cfd06a000000000000000000000000000000000000000000000000000000005f52600452166024524260445260645ffd5b34610134575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261013457602060405162061a808152f35b346101345760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610134576004355f526002602052602073ffffffffffffffffffffffffffffffffffffffff60405f205416604051908152f35b346101345761108236611498565b61108a611a28565b60a081013560c0820135918115610865576110a481611983565b92835f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f2054169182156108395760e081019465ffffffffffff6110e487611970565b1642116107e557805f52600460205260405f20835f5260205260ff60405f2054166107b557805f52600360205260405f20546040830135818103818111610788578711610746575061114060608401976105666105608a61162d565b156106f35761091596936106c1938688856111b2826106ba9773ffffffffffffffffffffffffffffffffffffffff995f52600460205260405f20885f5260205260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00825416179055612200565b815f52600360205260405f20557fc8ec160fb9969a5279d104b320cee3289cba4d74286c7171131c854692f3dd186060886111ec8c61162d565b60208801986111fa8a61162d565b968360405198168852602088015260408701521693a4610120810135611220575061162d565b6106ed9061122d8361162d565b6101006112398961162d565b92019130916120c5565b34610134577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360161014081126101345760a0136101345760a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5c360112610134576112ad611a28565b6112b5611aed565b6112c18161090b611b71565b6024359073ffffffffffffffffffffffffffffffffffffffff82168203610134575a9160e4359060ff821680920361013457610915935f9283809360405160208101937fd505accf00000000000000000000000000000000000000000000000000000000855273ffffffffffffffffffffffffffffffffffffffff8916602483015230604483015260a435606483015260c435608483015260a48201526101043560c48201526101243560e482015260e481526113806101048261164e565b5193f15061216f565b346101345761139736611428565b61139f611a28565b60a08101906113ad8261162d565b906113b781611d22565b9260c082019065ffffffffffff6113cd83611970565b164211610f9657846113ec9165ffffffffffff610e596060870161162d565b15610f50576113ff838361091596612000565b61010082013561140f57506121c1565b61141b610f4a9161162d565b60e08301908430916120c5565b60207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc820112610134576004359067ffffffffffffffff8211610134577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc826101a0920301126101345760040190565b60207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc820112610134576004359067ffffffffffffffff8211610134577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc826101c0920301126101345760040190565b359073ffffffffffffffffffffffffffffffffffffffff8216820361013457565b9181601f840112156101345782359167ffffffffffffffff8311610134576020808501948460051b01011161013457565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b602081016020825282518091526040820191602060408360051b8301019401925f915b8383106115cf57505050505090565b909192939460208061161e837fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc086600196030187526040838b518051151584520151918185820152019061155a565b970193019301919392906115c0565b3573ffffffffffffffffffffffffffffffffffffffff811681036101345790565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff82111761168f57604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b67ffffffffffffffff811161168f5760051b60200190565b906116de826116bc565b6116eb604051918261164e565b8281527fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe061171982946116bc565b015f5b81811061172857505050565b60405190604082019180831067ffffffffffffffff84111761168f576020926040525f81526060838201528282860101520161171c565b919081101561179f5760051b810135907ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe6181360301821215610134570190565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b359065ffffffffffff8216820361013457565b65ffffffffffff61184f608080938035865273ffffffffffffffffffffffffffffffffffffffff61181260208301611508565b1660208701526040810135604087015273ffffffffffffffffffffffffffffffffffffffff61184360608301611508565b166060870152016117cc565b16910152565b8035825260208101356020830152604081013560ff81168091036101345760809182916040850152606081013560608501520135910152565b90357fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe18236030181121561013457016020813591019167ffffffffffffffff821161013457813603831361013457565b601f82602094937fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe093818652868601375f8582860101520116010190565b805182101561179f5760209160051b010190565b919081101561179f5760051b810135907ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe4181360301821215610134570190565b3565ffffffffffff811681036101345790565b611a25906119936020820161162d565b9065ffffffffffff6119a76060830161162d565b73ffffffffffffffffffffffffffffffffffffffff6119c860808501611970565b9160408051958360208801987f82a1b9c6030f388b9ca3eafbb4d96d45509d2ead1d083955344a5288078eabd18a528235848a0152166060880152013560808601521660a08401521660c082015260c0815261022460e08261164e565b90565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c611a745760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b9035907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe181360301821215610134570180359067ffffffffffffffff82116101345760200191813603831361013457565b601436101580611b32575b15611b2e577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec3601368111610134573560601c90565b3390565b5073ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000163314611af8565b60243573ffffffffffffffffffffffffffffffffffffffff811690818103610134578115611cf65750506044358015611ccb575060643573ffffffffffffffffffffffffffffffffffffffff81169081811415806101345782158015611cc0575b611c9057505050611be36004611983565b90815f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f20541680611c61575060843565ffffffffffff81169081810361013457814211611c2c575050565b8390507f2133adb3000000000000000000000000000000000000000000000000000000005f526004526024524260445260645ffd5b827f4175ba6e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b61013457507ffbc8ce7e000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b50505f308314611bd2565b7f3728b83d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b507f961c9a4f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b906020820173ffffffffffffffffffffffffffffffffffffffff611d458261162d565b1615611ebd575060408201358015611ccb57506060820173ffffffffffffffffffffffffffffffffffffffff611d7a8261162d565b16158015611e96575b611e4c5750611d9182611983565b91825f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f20541680611e1d575060800165ffffffffffff611dce82611970565b164211611dd85750565b82611de965ffffffffffff92611970565b907f2133adb3000000000000000000000000000000000000000000000000000000005f52600452166024524260445260645ffd5b837f4175ba6e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b611e6a73ffffffffffffffffffffffffffffffffffffffff9161162d565b7ffbc8ce7e000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b50611ea08161162d565b73ffffffffffffffffffffffffffffffffffffffff163014611d83565b611edb73ffffffffffffffffffffffffffffffffffffffff9161162d565b7f961c9a4f000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b6064359073ffffffffffffffffffffffffffffffffffffffff8216928383036101345773ffffffffffffffffffffffffffffffffffffffff1691838314611fd457815f52600260205260405f20837fffffffffffffffffffffffff00000000000000000000000000000000000000008254161790555060243573ffffffffffffffffffffffffffffffffffffffff81169081810361013457506040805191825260443560208301527ffe88e559e73b3be4fab6232f9c0614c0a967794b2c7e8dcb2bf026436d46ad3b91a4565b827f36477505000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b9190916060830173ffffffffffffffffffffffffffffffffffffffff806120268361162d565b169316928314611fd457604073ffffffffffffffffffffffffffffffffffffffff6120a47ffe88e559e73b3be4fab6232f9c0614c0a967794b2c7e8dcb2bf026436d46ad3b93855f526002602052835f20877fffffffffffffffffffffffff000000000000000000000000000000000000000082541617905561162d565b826120b16020890161162d565b9783825199168952013560208801521694a4565b9192905a9160408101359360ff8516809503610134575f956080879693879473ffffffffffffffffffffffffffffffffffffffff604051948160208701997fd505accf000000000000000000000000000000000000000000000000000000008b52166024870152166044850152813560648501526020820135608485015260a4840152606081013560c4840152013560e482015260e481526121696101048261164e565b5193f150565b60243573ffffffffffffffffffffffffffffffffffffffff811690818103610134575060643573ffffffffffffffffffffffffffffffffffffffff81168103610134576121bf92604435926123e0565b565b906121bf9173ffffffffffffffffffffffffffffffffffffffff6121e76020830161162d565b169160406121f76060840161162d565b920135926123e0565b9190820180921161078857565b5a906206816d821061222e5750505f8160208293519101823062061a80f190565b7f05d21a20000000000000000000000000000000000000000000000000000000005f526004526024526206816d60445260645ffd5b3d9061010082116122a9575b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0603f60405193808552805f602087013e01168201604052565b610100915061226f565b906122c39093929361022f61250d565b6122ce838583612636565b5060048110156123b357159081612390575b506123875760647fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f855f96602098604051967f1626ba7e0000000000000000000000000000000000000000000000000000000088526004880152604060248801528160448801528587013786848287010152011601915afa7f1626ba7e000000000000000000000000000000000000000000000000000000005f5114601f3d11161690565b50505050600190565b905073ffffffffffffffffffffffffffffffffffffffff8084169116145f6122e0565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b92909173ffffffffffffffffffffffffffffffffffffffff9081604051947f23b872dd000000000000000000000000000000000000000000000000000000005f52166004521660245260445260205f60648180865af19060015f5114821615612495575b6040525f606052156124535750565b73ffffffffffffffffffffffffffffffffffffffff907f5274afe7000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b9060018115166124ad57823b15153d15161690612444565b503d5f823e3d90fd5b60ff811690601f82116124e557604051916124d260408461164e565b6020808452838101919036833783525290565b7fb3512b0c000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001630148061260d575b15612575577f000000000000000000000000000000000000000000000000000000000000000090565b60405160208101907f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f82527f000000000000000000000000000000000000000000000000000000000000000060408201527f000000000000000000000000000000000000000000000000000000000000000060608201524660808201523060a082015260a0815261260760c08261164e565b51902090565b507f0000000000000000000000000000000000000000000000000000000000000000461461254c565b9060418303612660576126599250602081013591604082359201355f1a9061266a565b9192909190565b50505f9160029190565b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a084116126f9579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa156126ee575f5173ffffffffffffffffffffffffffffffffffffffff8116156126e457905f905f90565b505f906001905f90565b6040513d5f823e3d90fd5b5050505f916003919056' as const;
