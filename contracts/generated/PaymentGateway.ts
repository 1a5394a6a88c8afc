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
    "inputs": [],
    "name": "ReentrancyGuardReentrantCall",
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
    "outputs": [],
    "stateMutability": "nonpayable",
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

export const paymentGatewayBytecode = '0x610180806040523461018e57602081611dfc80380380916100208285610192565b83398101031261018e57516001600160a01b0381169081810361018e5760405161004b604082610192565b600681526020810190654d535150617960d01b82526040519161006f604084610192565b600183526020830191603160f81b83528460805261008c816101c9565b61014052610099846101c9565b6101605251902091826101005251902080610120524660c0526040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a0815261010360c082610192565b51902060a0523060e0523b1561017c57604051611bc7908161023582396080518181816103f601528181610838015261134d015260a05181611a16015260c05181611ad3015260e051816119e701526101005181611a6501526101205181611a8b015261014051816102b0015261016051816102d90152f35b63377bd60b60e21b5f5260045260245ffd5b5f80fd5b601f909101601f19168101906001600160401b038211908210176101b557604052565b634e487b7160e01b5f52604160045260245ffd5b601f8151116101f45760208151910151602082106101e5571790565b5f198260200360031b1b161790565b604460209160405192839163305a27a960e01b83528160048401528051918291826024860152018484015e5f828201840152601f01601f19168101030190fdfe60806040526004361015610011575f80fd5b5f3560e01c80630e72533514610a865780630ef279291461094257806324108273146108e4578063346f7a79146108a95780634e0bf5b61461085d578063572b6c05146107ca5780635730bad71461041a5780637da0a877146103ac57806384b0196e1461027a57806386a082e8146101fd578063c6c5ccfb146101015763f3f247eb1461009d575f80fd5b346100fd5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd576004355f526002602052602073ffffffffffffffffffffffffffffffffffffffff60405f2054161515604051908152f35b5f80fd5b346100fd5760a07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd5760243573ffffffffffffffffffffffffffffffffffffffff8116908181036100fd57506064359073ffffffffffffffffffffffffffffffffffffffff8216918281036100fd57506084359065ffffffffffff8216928383036100fd576020936101f5935060405191858301937f82a1b9c6030f388b9ca3eafbb4d96d45509d2ead1d083955344a5288078eabd1855260043560408501526060840152604435608084015260a083015260c082015260c081526101ed60e082610c06565b5190206116e7565b604051908152f35b346100fd5760a07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd57610234610d2c565b61025561023f6112f0565b6102508161024b611374565b611525565b61161e565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b346100fd575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd576103506102d47f0000000000000000000000000000000000000000000000000000000000000000611979565b6102fd7f0000000000000000000000000000000000000000000000000000000000000000611979565b602061035e604051926103108385610c06565b5f84525f3681376040519586957f0f00000000000000000000000000000000000000000000000000000000000000875260e08588015260e0870190610b35565b908582036040870152610b35565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b82811061039557505050500390f35b835185528695509381019392810192600101610386565b346100fd575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd57602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346100fd5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd5760043567ffffffffffffffff81116100fd57366023820112156100fd5780600401359067ffffffffffffffff82116100fd576024810190602436918460051b0101116100fd57610497610d2c565b5f5b8281106104c5575f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b6104d0818484610b99565b60405160208101917f4e0bf5b6000000000000000000000000000000000000000000000000000000008352602060248301528035604483015273ffffffffffffffffffffffffffffffffffffffff61052a60208301610b14565b1660648301526040810135608483015273ffffffffffffffffffffffffffffffffffffffff61055b60608301610b14565b1660a483015265ffffffffffff610574608083016116d4565b1660c483015273ffffffffffffffffffffffffffffffffffffffff61059b60a08301610b14565b1660e483015265ffffffffffff6105b460c083016116d4565b1661010483015260e081013561012483015261010081013561014483015261012081013560ff81168091036100fd576101648301526101408101356101848301526101608101356101a48301526101808101357fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe1823603018112156100fd57016020813591019067ffffffffffffffff81116100fd5780360382136100fd57827fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f83610204946106cc966101a06101c4870152816101e4870152868601375f8582860101520116810103017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe08101835282610c06565b5a6206816d811061079457505f6001939281925190823062061a80f1156106f4575b01610499565b3d610100811161078b575b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0603f60405192808452805f602086013e011681016040527f71cef029c047ac1cd073e3c6836735129a9236f24947d7ed0b91c0a07a0ebcda61078361076e610769858989610b99565b610c87565b92604051918291602083526020830190610b35565b0390a26106ee565b506101006106ff565b837f05d21a20000000000000000000000000000000000000000000000000000000005f526004526024526206816d60445260645ffd5b346100fd5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd5760043573ffffffffffffffffffffffffffffffffffffffff81168091036100fd576020906040519073ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016148152f35b346100fd5761086b36610aa4565b30330361087d5761087b90610da0565b005b7fa19dbf00000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b346100fd575f7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd57602060405162061a808152f35b346100fd5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126100fd576004355f526002602052602073ffffffffffffffffffffffffffffffffffffffff60405f205416604051908152f35b346100fd577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360161014081126100fd5760a0136100fd5760a07fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5c3601126100fd576109ac610d2c565b6109b46112f0565b6109c08161024b611374565b6024359073ffffffffffffffffffffffffffffffffffffffff821682036100fd5760e4359160ff83168093036100fd575f8091610255948260405160208101927fd505accf00000000000000000000000000000000000000000000000000000000845273ffffffffffffffffffffffffffffffffffffffff8816602483015230604483015260a435606483015260c435608483015260a48201526101043560c48201526101243560e482015260e48152610a7c61010482610c06565b51925af15061161e565b346100fd57610255610a9736610aa4565b610a9f610d2c565b610da0565b60207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc8201126100fd576004359067ffffffffffffffff82116100fd577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc826101a0920301126100fd5760040190565b359073ffffffffffffffffffffffffffffffffffffffff821682036100fd57565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b3573ffffffffffffffffffffffffffffffffffffffff811681036100fd5790565b9190811015610bd95760051b810135907ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe61813603018212156100fd570190565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117610c4757604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b3565ffffffffffff811681036100fd5790565b610d2990610c9760208201610b78565b9065ffffffffffff610cab60608301610b78565b73ffffffffffffffffffffffffffffffffffffffff610ccc60808501610c74565b9160408051958360208801987f82a1b9c6030f388b9ca3eafbb4d96d45509d2ead1d083955344a5288078eabd18a528235848a0152166060880152013560808601521660a08401521660c082015260c081526101ed60e082610c06565b90565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c610d785760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b610dac60a08201610b78565b6020820173ffffffffffffffffffffffffffffffffffffffff610dce82610b78565b16156112a657604083013590811561127a57606084019373ffffffffffffffffffffffffffffffffffffffff610e0386610b78565b16158015611253575b61120957610e1981610c87565b805f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f205416806111da57506080820165ffffffffffff610e5682610c74565b164211611195575060c0820165ffffffffffff610e7282610c74565b1642116111505750610e848282611779565b1561110a5773ffffffffffffffffffffffffffffffffffffffff80610ea888610b78565b1695169485146110de57805f52600260205260405f20857fffffffffffffffffffffffff000000000000000000000000000000000000000082541617905584610ef087610b78565b917ffe88e559e73b3be4fab6232f9c0614c0a967794b2c7e8dcb2bf026436d46ad3b604073ffffffffffffffffffffffffffffffffffffffff610f3288610b78565b95818351971687528960208801521694a46101008101358061101e575b5050610f7a73ffffffffffffffffffffffffffffffffffffffff610f738193610b78565b1694610b78565b604051937f23b872dd000000000000000000000000000000000000000000000000000000005f526004521660245260445260205f60648180865af19060015f5114821615610ffd575b6040525f60605215610fd25750565b7f5274afe7000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b90600181151661101557823b15153d15161690610fc3565b503d5f823e3d90fd5b909161102981610b78565b906101208401359060ff82168092036100fd575f8073ffffffffffffffffffffffffffffffffffffffff96948982610f7a986101608b99610f73996040519360208501967fd505accf000000000000000000000000000000000000000000000000000000008852602486015230604486015260e08301356064860152608485015260a484015261014081013560c4840152013560e482015260e481526110d161010482610c06565b51925af150935050610f4f565b847f36477505000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b8473ffffffffffffffffffffffffffffffffffffffff917f60299f94000000000000000000000000000000000000000000000000000000005f526004521660245260445ffd5b9061116165ffffffffffff92610c74565b907f26cfd06a000000000000000000000000000000000000000000000000000000005f52600452166024524260445260645ffd5b906111a665ffffffffffff92610c74565b907f2133adb3000000000000000000000000000000000000000000000000000000005f52600452166024524260445260645ffd5b907f4175ba6e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b73ffffffffffffffffffffffffffffffffffffffff61122786610b78565b7ffbc8ce7e000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b5061125d85610b78565b73ffffffffffffffffffffffffffffffffffffffff163014610e0c565b507f3728b83d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b6112c473ffffffffffffffffffffffffffffffffffffffff91610b78565b7f961c9a4f000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b601436101580611335575b15611331577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec36013681116100fd573560601c90565b3390565b5073ffffffffffffffffffffffffffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001633146112fb565b60243573ffffffffffffffffffffffffffffffffffffffff8116908181036100fd5781156114f957505060443580156114ce575060643573ffffffffffffffffffffffffffffffffffffffff81169081811415806100fd57821580156114c3575b611493575050506113e66004610c87565b90815f52600260205273ffffffffffffffffffffffffffffffffffffffff60405f20541680611464575060843565ffffffffffff8116908181036100fd5781421161142f575050565b8390507f2133adb3000000000000000000000000000000000000000000000000000000005f526004526024524260445260645ffd5b827f4175ba6e000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b6100fd57507ffbc8ce7e000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b50505f3083146113d5565b7f3728b83d000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b507f961c9a4f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b6064359073ffffffffffffffffffffffffffffffffffffffff8216928383036100fd5773ffffffffffffffffffffffffffffffffffffffff16918383146115f257815f52600260205260405f20837fffffffffffffffffffffffff00000000000000000000000000000000000000008254161790555060243573ffffffffffffffffffffffffffffffffffffffff8116908181036100fd57506040805191825260443560208301527ffe88e559e73b3be4fab6232f9c0614c0a967794b2c7e8dcb2bf026436d46ad3b91a4565b827f36477505000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b6024359073ffffffffffffffffffffffffffffffffffffffff8216918281036100fd575060643573ffffffffffffffffffffffffffffffffffffffff8116908181036100fd575073ffffffffffffffffffffffffffffffffffffffff604051927f23b872dd000000000000000000000000000000000000000000000000000000005f521660045260245260443560445260205f60648180865af19060015f5114821615610ffd576040525f60605215610fd25750565b359065ffffffffffff821682036100fd57565b6042906116f26119d0565b90604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b9035907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe1813603018212156100fd570180359067ffffffffffffffff82116100fd576020019181360383136100fd57565b61183261178860608401610b78565b9161179560208501610b78565b9265ffffffffffff60a086019473ffffffffffffffffffffffffffffffffffffffff6117c087610b78565b816117cd60c08b01610c74565b93816040519760208901997fff708a4e4db1082003437260af9ba99c9edc5522a36cdda9b6c6726593ad10f58b5260408a0152166060880152166080860152604089013560a08601521660c08401521660e082015260e081526101ed61010082610c06565b9161018081019261184d6118468584611728565b9083611af9565b50600481101561194c57159081611921575b506119185760647fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f61189f6020976118995f98610b78565b96611728565b8091604051967f1626ba7e0000000000000000000000000000000000000000000000000000000088526004880152604060248801528160448801528587013786848287010152011601915afa7f1626ba7e000000000000000000000000000000000000000000000000000000005f5114601f3d11161690565b50505050600190565b905073ffffffffffffffffffffffffffffffffffffffff8061194286610b78565b169116145f61185f565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b60ff811690601f82116119a85760405191611995604084610c06565b6020808452838101919036833783525290565b7fb3512b0c000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016301480611ad0575b15611a38577f000000000000000000000000000000000000000000000000000000000000000090565b60405160208101907f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f82527f000000000000000000000000000000000000000000000000000000000000000060408201527f000000000000000000000000000000000000000000000000000000000000000060608201524660808201523060a082015260a08152611aca60c082610c06565b51902090565b507f00000000000000000000000000000000000000000000000000000000000000004614611a0f565b9060418303611b2357611b1c9250602081013591604082359201355f1a90611b2d565b9192909190565b50505f9160029190565b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a08411611bbc579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa15611bb1575f5173ffffffffffffffffffffffffffffffffffffffff811615611ba757905f905f90565b505f906001905f90565b6040513d5f823e3d90fd5b5050505f916003919056' as const;
